// A program of the core, run from Python: the GIL, signals, and steps that ATen runs.
#pragma once

#include <Python.h>

#include <vector>

#include "../core/program_reader.h"

namespace jic {

// Makes the exception of programs that give up and returns a new reference to it; null with a Python error set.
PyObject *bailout_exception();
// Raises it for the step that gave up; for a failed check one that is an `IndexError` as well.
void set_bailout(const Step &step);
// True if the Python error that is set is such an exception (of an ATen call).
bool is_bailout();

class PythonProgram {
 public:
  PythonProgram(LoadedProgram loaded, PyObject *call_aten);
  ~PythonProgram();
  PythonProgram(const PythonProgram &) = delete;
  PythonProgram &operator=(const PythonProgram &) = delete;

  // Runs all steps. The GIL must be held; it is released during long work. False with a Python error set, or with `*gave_up` set to the
  // step that gave up.
  bool run(void *const *inputs, void *const *outputs, const Step **gave_up) const;

  Program &core() const { return *loaded_.program; }
  const std::vector<int64_t> &numbers() const { return loaded_.numbers; }
  PyObject *call_aten;  // (step, operands) -> tuple of contiguous tensors

 private:
  friend class PythonHost;
  LoadedProgram loaded_;
  std::vector<const AtenStep *> aten_;  // by step; null for the others
};

}  // namespace jic
