#include "spec.h"

#include <cstring>
#include <string>

namespace jic {

PyObject *part(PyObject *tuple, Py_ssize_t i) {
  if (!PyTuple_Check(tuple) || i >= PyTuple_GET_SIZE(tuple)) throw SpecError("a description is too short");
  return PyTuple_GET_ITEM(tuple, i);
}

int64_t integer_of(PyObject *o) {
  int64_t v = PyLong_AsLongLong(o);
  if (v == -1 && PyErr_Occurred()) throw SpecError("not an integer");
  return v;
}

const char *text_of(PyObject *o) {
  const char *s = PyUnicode_Check(o) ? PyUnicode_AsUTF8(o) : nullptr;
  if (!s) throw SpecError("not a string");
  return s;
}

namespace {

std::vector<int64_t> integers_of(PyObject *tuple) {
  if (!PyTuple_Check(tuple)) throw SpecError("not a tuple of integers");
  std::vector<int64_t> values;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) values.push_back(integer_of(PyTuple_GET_ITEM(tuple, i)));
  return values;
}

}  // namespace

TensorSpec::TensorSpec(PyObject *d) {
  dtype = {uint8_t(integer_of(part(d, 0))), uint8_t(integer_of(part(d, 1))), 1};
  device = {int32_t(integer_of(part(d, 2))), int32_t(integer_of(part(d, 3)))};
  shape = integers_of(part(d, 4));
  strides = integers_of(part(d, 5));
  requires_grad = PyObject_IsTrue(part(d, 6)) == 1;
  bare = PyObject_IsTrue(part(d, 7)) == 1;
  if (shape.size() != strides.size()) throw SpecError("shape and strides of different rank");
  if (shape.size() > 64) throw SpecError("rank above 64");
  int64_t count = 1;
  for (int64_t n : shape) {
    if (n < 0 || __builtin_mul_overflow(count, n, &count)) throw SpecError("a bad shape");
  }
  if (__builtin_mul_overflow(count, int64_t(dtype.bits / 8), &bytes)) throw SpecError("a bad shape");
  int64_t expected = 1;
  for (size_t d2 = shape.size(); d2-- > 0;) {
    if (shape[d2] != 1 && strides[d2] != expected) contiguous = false;
    expected *= shape[d2];
  }
  if (count == 0) contiguous = true;
  // The negative bit on a real tensor comes with the imaginary part of a conjugate view, whose strides are even; so a contiguous tensor of
  // several elements has none.
  may_be_lazy = dtype.code == kDLComplex || !contiguous || count == 1;
}

bool TensorSpec::matches(const DLTensor &t) const {
  if (size_t(t.ndim) != shape.size() || t.dtype.code != dtype.code || t.dtype.bits != dtype.bits || t.dtype.lanes != 1 ||
      t.device.device_type != device.device_type || t.device.device_id != device.device_id)
    return false;
  if (!t.data && bytes) return false;  // its memory was given back
  for (int d = 0; d < t.ndim; ++d)
    if (t.shape[d] != shape[d]) return false;
  if (t.strides && bytes)
    for (int d = 0; d < t.ndim; ++d)
      if (t.strides[d] != strides[d] && shape[d] != 1) return false;
  return true;
}

static bool has_attributes(PyObject *x) {
  PyObject **place = _PyObject_GetDictPtr(x);
  if (PyErr_Occurred()) PyErr_Clear();
  return place && *place && PyDict_GET_SIZE(*place) > 0;
}

bool tensor_matches(PyObject *x, const TensorSpec &spec, int index, Found &found) {
  PyTypeObject *type = Py_TYPE(x);
  if (type != torch_api.tensor && type != torch_api.parameter) return false;
  DLTensor t;
  if (torch_api.dlpack->dltensor_from_py_object_no_sync(x, &t)) {
    PyErr_Clear();  // no memory that could be read: sparse, wrapped by a transform, …
    return false;
  }
  if (!spec.matches(t)) return false;
  if (found.grad) {
    int requires_grad = tensor_requires_grad(x);
    if (requires_grad != int(spec.requires_grad)) {
      if (requires_grad < 0) PyErr_Clear();
      return false;
    }
  }
  if (spec.may_be_lazy && tensor_is_lazy(x, spec.dtype.code == kDLComplex)) {
    PyErr_Clear();
    return false;
  }
  if (spec.bare && has_attributes(x)) return false;
  found.objects[index] = x;
  found.data[index] = static_cast<char *>(t.data) + t.byte_offset;
  return true;
}

NumberSpec::NumberSpec(PyObject *d) {
  std::string name = text_of(part(d, 0));
  if (name != "int" && name != "float") throw SpecError("a number is an int or a float");
  is_float = name == "float";
  limit = integer_of(part(d, 1));
}

bool number_matches(PyObject *x, const NumberSpec &spec, int index, Found &found) {
  int64_t &place = found.numbers[index];
  if (spec.is_float) {
    if (!PyFloat_CheckExact(x)) return false;
    double value = PyFloat_AS_DOUBLE(x);
    std::memcpy(&place, &value, sizeof value);
  } else {
    if (!PyLong_CheckExact(x)) return false;
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(x, &overflow);
    if (overflow || value > spec.limit || value < -spec.limit) return false;
    place = value;
  }
  found.objects[index] = x;
  found.data[index] = &place;
  return true;
}

bool same_value(PyObject *a, PyObject *b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {
    double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return std::memcmp(&x, &y, 8) == 0;
  }
  if (PyComplex_CheckExact(a)) {
    Py_complex x = PyComplex_AsCComplex(a), y = PyComplex_AsCComplex(b);
    return std::memcmp(&x, &y, sizeof x) == 0;
  }
  if (PyTuple_Check(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
      if (!same_value(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    return true;
  }
  int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) PyErr_Clear();
  return equal == 1;
}

ArgumentSpec::ArgumentSpec(PyObject *d, std::vector<TensorSpec> &tensors, int &containers, References &references) {
  std::string name = text_of(part(d, 0));
  if (name == "tensor") {
    kind = tensor;
    index = int(tensors.size());
    tensors.emplace_back(part(d, 1));
  } else if (name == "number") {
    kind = number;
    index = int(tensors.size());
    as_number.emplace(part(d, 1));
    tensors.emplace_back(part(d, 2));
  } else if (name == "value" || name == "same") {
    kind = name == "value" ? value : same;
    object = references.keep(part(d, 1));
  } else if (name == "sequence") {
    kind = sequence;
    index = containers++;
    object = references.keep(part(d, 1));
    PyObject *list = part(d, 2);
    bool known = PyType_Check(object) && (PyType_IsSubtype(reinterpret_cast<PyTypeObject *>(object), &PyTuple_Type) ||
                                          PyType_IsSubtype(reinterpret_cast<PyTypeObject *>(object), &PyList_Type));
    if (!known || !PyTuple_Check(list)) throw SpecError("a sequence is a tuple or a list");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); ++i) items.emplace_back(PyTuple_GET_ITEM(list, i), tensors, containers, references);
  } else if (name == "mapping") {
    kind = mapping;
    index = containers++;
    PyObject *list = part(d, 1);
    if (!PyTuple_Check(list)) throw SpecError("a mapping is given by a tuple of pairs");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); ++i) {
      PyObject *pair = PyTuple_GET_ITEM(list, i);
      keys.push_back(references.keep(part(pair, 0)));
      items.emplace_back(part(pair, 1), tensors, containers, references);
    }
  } else if (name == "ignored") {
    kind = ignored;
  } else {
    throw SpecError("unknown kind of argument '" + name + "'");
  }
}

bool ArgumentSpec::matches(PyObject *x, const std::vector<TensorSpec> &tensors, Found &found) const {
  switch (kind) {
    case tensor: return tensor_matches(x, tensors[index], index, found);
    case number: return number_matches(x, *as_number, index, found);
    case value: return same_value(x, object);
    case same: return x == object;
    case ignored: return true;
    case sequence: {
      if (reinterpret_cast<PyObject *>(Py_TYPE(x)) != object) return false;
      found.containers[index] = x;
      bool list = PyList_Check(x);
      // The items of a list can change while comparing runs Python code: its size is asked each time.
      for (size_t i = 0; i < items.size(); ++i) {
        if (size_t(list ? PyList_GET_SIZE(x) : PyTuple_GET_SIZE(x)) != items.size()) return false;
        if (!items[i].matches(list ? PyList_GET_ITEM(x, i) : PyTuple_GET_ITEM(x, i), tensors, found)) return false;
      }
      return size_t(list ? PyList_GET_SIZE(x) : PyTuple_GET_SIZE(x)) == items.size();
    }
    case mapping: {
      if (!PyDict_CheckExact(x)) return false;
      found.containers[index] = x;
      Py_ssize_t at = 0;
      PyObject *key, *item;
      for (size_t i = 0; i < items.size(); ++i) {
        if (size_t(PyDict_GET_SIZE(x)) != items.size() || !PyDict_Next(x, &at, &key, &item)) return false;
        if (!same_value(key, keys[i]) || !items[i].matches(item, tensors, found)) return false;
      }
      return size_t(PyDict_GET_SIZE(x)) == items.size();
    }
  }
  return false;
}

bool ArgumentSpec::holds_numbers() const {
  for (auto &i : items)
    if (i.holds_numbers()) return true;
  return kind == number;
}

}  // namespace jic
