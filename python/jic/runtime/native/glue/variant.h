// One way to answer a call: what must hold, and what runs then.
#pragma once

#include <Python.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "python_program.h"
#include "result_plan.h"
#include "snapshots.h"
#include "spec.h"
#include "state.h"

namespace jic {

// Variants run programs of this Python type.
void set_program_type(PyObject *type);

struct OutputSpec {
  DLDataType dtype;
  std::vector<int64_t> shape, strides;  // the tensor's, in any order: the program fills the memory from its start to its end
  size_t bytes;
};

struct Variant {
  References references;
  std::vector<TensorSpec> tensors;  // arguments', then captured ones; numbers are 0-d tensors among them
  std::vector<ArgumentSpec> arguments, keyword_arguments;
  std::vector<PyObject *> keywords;
  std::unique_ptr<State> state;
  std::vector<std::optional<NumberSpec>> captured;  // set for numbers
  std::unique_ptr<Snapshots> snapshots;  // of captured tensors
  PyObject *callable = nullptr;  // instead of a program
  PyObject *bail = nullptr;      // when the program gives up
  const PythonProgram *program = nullptr;
  std::vector<int> inputs;  // the program's, as tensor numbers
  std::vector<OutputSpec> outputs;
  std::vector<std::pair<int, int>> copies;  // (output, tensor): written back into the tensor after the run
  std::unique_ptr<ResultPlan> result;
  PyObject *tag = nullptr;
  int first_captured = 0;
  int containers = 0;  // lists, tuples and dicts among the arguments
  int built = 0;       // objects that the result holds more than once
  bool needs_grad = false;   // matches in grad mode only, and compares requires_grad with the spec
  bool any_grad = false;     // does not look at grad mode and requires_grad
  bool copies_inputs = false;
  bool captures_numbers = false, has_numbers = false;
  uint64_t hits = 0;

  // `description` is a jic.runtime.dispatch.Variant's native form: a dict.
  explicit Variant(PyObject *description);
  bool matches(PyObject *const *args, size_t count, PyObject *names, Found &found) const;
  // Whether a tensor that is written back shares memory with another: eager would have seen the new values in both.
  bool overlaps(const Found &found) const;
  // Null with a Python error set, or with `*gave_up` set: then nothing has happened that the caller could see.
  PyObject *run(Found &found, const Step **gave_up) const;
};

}  // namespace jic
