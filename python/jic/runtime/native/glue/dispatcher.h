// The callable that users hold: finds the variant whose guards hold and runs its program, or asks Python.
#pragma once

#include <Python.h>

namespace jic {

// Readies the type `Dispatcher` and returns a new reference to it; null with a Python error set.
PyObject *dispatcher_type(PyObject *program_type);

}  // namespace jic
