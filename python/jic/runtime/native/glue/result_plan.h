// How a call's result is built: see jic.runtime.results.
#pragma once

#include <Python.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spec.h"

namespace jic {

constexpr int kMaxBuilt = 1 << 16;

// What a result is built from: output tensors, the call's own tensors and containers, and the objects built so far that occur twice.
struct Material {
  PyObject *const *outputs, *const *tensors, *const *containers;
  PyObject **built;
};

// How a call's result is built.
struct ResultPlan {
  enum Kind { output, tensor, container, constant, once, choice, tuple, list, mapping, call } kind;
  int index = -1;  // output (of a choice, the one that says which), tensor, container; where what is built once is kept
  PyObject *object = nullptr;  // constant; the callable of a call
  std::vector<ResultPlan> items;
  std::vector<PyObject *> keys;

  ResultPlan(PyObject *d, References &references) {
    std::string name = text_of(part(d, 0));
    Py_ssize_t at = 1;
    if (name == "output" || name == "tensor" || name == "container") {
      kind = name == "output" ? output : name == "tensor" ? tensor : container;
      index = int(integer_of(part(d, 1)));
      return;
    }
    if (name == "once") {
      kind = once;
      index = int(integer_of(part(d, 1)));
      items.emplace_back(part(d, 2), references);
      return;
    }
    if (name == "constant") {
      kind = constant;
      object = references.keep(part(d, 1));
      return;
    }
    if (name == "call") {
      kind = call;
      object = references.keep(part(d, at++));
    } else if (name == "choice") {
      kind = choice;
      index = int(integer_of(part(d, at++)));
    } else if (name == "tuple" || name == "list" || name == "mapping") {
      kind = name == "tuple" ? tuple : name == "list" ? list : mapping;
    } else {
      throw SpecError("unknown kind of result '" + name + "'");
    }
    PyObject *members = part(d, at);
    if (!PyTuple_Check(members)) throw SpecError("the items of a result are a tuple");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); ++i) {
      PyObject *member = PyTuple_GET_ITEM(members, i);
      if (kind == mapping) {
        keys.push_back(references.keep(part(member, 0)));
        member = part(member, 1);
      }
      items.emplace_back(member, references);
    }
  }

  void check(int outputs, int tensors, int containers, int &built) const {
    int count = kind == output || kind == choice ? outputs : kind == tensor ? tensors : kind == container ? containers : -1;
    if (count >= 0 && (index < 0 || index >= count))
      throw SpecError("a result names an output, tensor or container that does not exist");
    if (kind == once) {
      if (index < 0 || index > kMaxBuilt) throw SpecError("the number of what a result holds twice is out of range");
      built = std::max(built, index + 1);
    }
    for (auto &i : items) i.check(outputs, tensors, containers, built);
  }

  PyObject *build(const Material &from) const {
    switch (kind) {
      case output: return Py_NewRef(from.outputs[index]);
      case tensor: return Py_NewRef(from.tensors[index]);
      case container: return Py_NewRef(from.containers[index]);
      case constant: return Py_NewRef(object);
      case once:
        if (!from.built[index]) from.built[index] = items[0].build(from);
        return Py_XNewRef(from.built[index]);
      case choice: {
        PyObject *number = PyObject_CallMethod(from.outputs[index], "item", nullptr);
        int64_t which = number ? PyLong_AsLongLong(number) : -1;
        Py_XDECREF(number);
        if (PyErr_Occurred()) return nullptr;
        if (which < 0 || size_t(which) >= items.size()) {
          PyErr_SetString(PyExc_SystemError, "a program chose a result that does not exist");
          return nullptr;
        }
        return items[size_t(which)].build(from);
      }
      case mapping: {
        PyObject *dict = PyDict_New();
        for (size_t i = 0; dict && i < items.size(); ++i) {
          PyObject *item = items[i].build(from);
          if (!item || PyDict_SetItem(dict, keys[i], item)) Py_CLEAR(dict);
          Py_XDECREF(item);
        }
        return dict;
      }
      case tuple:
      case list:
      case call: break;
    }
    PyObject *sequence = kind == list ? PyList_New(Py_ssize_t(items.size())) : PyTuple_New(Py_ssize_t(items.size()));
    for (size_t i = 0; sequence && i < items.size(); ++i) {
      PyObject *item = items[i].build(from);
      if (!item) {
        Py_CLEAR(sequence);
      } else if (kind == list) {
        PyList_SET_ITEM(sequence, Py_ssize_t(i), item);
      } else {
        PyTuple_SET_ITEM(sequence, Py_ssize_t(i), item);
      }
    }
    if (kind != call || !sequence) return sequence;
    PyObject *made = PyObject_Call(object, sequence, nullptr);
    Py_DECREF(sequence);
    return made;
  }
};

}  // namespace jic
