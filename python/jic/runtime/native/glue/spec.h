// What a variant expects of a call's arguments and of the state around it.
#pragma once

#include <Python.h>

#include <optional>
#include <stdexcept>
#include <vector>

#include "dlpack.h"
#include "torch_api.h"

namespace jic {

// References that live as long as their owner; everything else borrows from here.
class References {
 public:
  ~References() { clear(); }
  PyObject *keep(PyObject *object) {
    if (object) {
      Py_INCREF(object);
      objects_.push_back(object);
    }
    return object;
  }
  int traverse(visitproc visit, void *arg) const {
    for (PyObject *o : objects_) Py_VISIT(o);
    return 0;
  }
  void clear() {
    auto gone = std::move(objects_);
    objects_.clear();
    for (PyObject *o : gone) Py_DECREF(o);
  }

 private:
  std::vector<PyObject *> objects_;
};

// A description from Python has the wrong form. A Python error may be set as well.
struct SpecError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct TensorSpec {
  DLDataType dtype{};
  DLDevice device{};
  std::vector<int64_t> shape, strides;
  bool requires_grad = false;
  bool bare = false;  // without attributes that somebody attached
  bool contiguous = true;  // row-major, dims of size 1 aside
  bool may_be_lazy = false;  // could be a view with a negative or conjugate bit
  int64_t bytes = 0;

  explicit TensorSpec(PyObject *description);  // (code, bits, device type, device index, shape, strides, requires_grad, bare)
  bool matches(const DLTensor &t) const;
};

// A Python int or float (no subclass, no bool) that a program reads as a 0-d i64 or f64 tensor; of ints those no greater than a limit.
struct NumberSpec {
  bool is_float = false;
  int64_t limit = 0;

  explicit NumberSpec(PyObject *description);  // ("int" | "float", limit)
};

// What a call gave for a variant's tensors: arguments in order, then captured ones.
struct Found {
  PyObject **objects;
  void **data;
  PyObject **containers;  // the lists, tuples and dicts that the tensors came in, outer ones first
  int grad;               // the grad mode
  int64_t *numbers;       // the memory of numbers, one place a tensor; null for variants without any
};

struct ArgumentSpec {
  enum Kind { tensor, number, value, same, sequence, mapping, ignored } kind;
  int index = -1;                    // tensor, number; the number of a sequence or mapping among the containers
  PyObject *object = nullptr;        // value, same; the exact type of a sequence
  std::vector<ArgumentSpec> items;   // sequence, mapping
  std::vector<PyObject *> keys;      // mapping, in order
  std::optional<NumberSpec> as_number;

  // `description` is ("tensor", spec) | ("number", kind, spec) | ("value", v) | ("same", o) | ("sequence", type, items) | ("mapping", [(key, item), …]) | ("ignored",).
  // Tensors, and numbers among them, are numbered in the order in which they are met, from tensors.size() on; so are containers, from `containers` on.
  ArgumentSpec(PyObject *description, std::vector<TensorSpec> &tensors, int &containers, References &references);
  bool matches(PyObject *x, const std::vector<TensorSpec> &tensors, Found &found) const;
  bool holds_numbers() const;
};

// Whether `x` is a torch.Tensor or Parameter (no subclass) that `spec` describes; fills `found` at `index`.
bool tensor_matches(PyObject *x, const TensorSpec &spec, int index, Found &found);

// Whether `x` is such a number; fills `found` at `index`.
bool number_matches(PyObject *x, const NumberSpec &spec, int index, Found &found);

// Whether `a` is the Python value `b`: the same type, and equal (floats bit for bit, the items of tuples likewise).
bool same_value(PyObject *a, PyObject *b);

const char *text_of(PyObject *o);
PyObject *part(PyObject *tuple, Py_ssize_t i);
int64_t integer_of(PyObject *o);

}  // namespace jic
