#include "dispatcher.h"

#include <structmember.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "torch_api.h"
#include "variant.h"

namespace jic {
namespace {

struct Dispatcher {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  std::vector<std::shared_ptr<Variant>> *variants;
  PyObject *miss;
  PyObject *dict;
  PyObject *weak;
  unsigned long long hits, misses;
};

PyObject *call_miss(Dispatcher *self, PyObject *const *args, size_t count, PyObject *names) {
  ++self->misses;
  PyObject *positional = PyTuple_New(Py_ssize_t(count)), *named = PyDict_New(), *answer = nullptr;
  if (positional && named) {
    for (size_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional, Py_ssize_t(i), Py_NewRef(args[i]));
    bool ok = true;
    for (Py_ssize_t k = 0; names && ok && k < PyTuple_GET_SIZE(names); ++k)
      ok = PyDict_SetItem(named, PyTuple_GET_ITEM(names, k), args[count + size_t(k)]) == 0;
    if (ok) answer = PyObject_CallFunctionObjArgs(self->miss, positional, named, nullptr);
  }
  Py_XDECREF(positional);
  Py_XDECREF(named);
  return answer;
}

PyObject *dispatcher_call(PyObject *object, PyObject *const *args, size_t flags, PyObject *names) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  size_t count = size_t(PyVectorcall_NARGS(flags));
  int grad = grad_mode();
  if (grad < 0) return nullptr;
  // A dispatch mode (tracing, counting, fake tensors) wants to see ATen calls, of which a program makes none.
  bool modes = torch_api.modes_set && torch_api.modes_set(false);
  for (size_t i = 0; i < self->variants->size() && !modes; ++i) {
    Variant *candidate = (*self->variants)[i].get();
    if (candidate->arguments.size() != count) continue;
    // Comparing and running can run Python code that clears the variants.
    std::shared_ptr<Variant> variant = (*self->variants)[i];
    size_t n = variant->tensors.size();
    auto **objects = static_cast<PyObject **>(alloca((n + 1) * sizeof(void *)));
    auto **data = static_cast<void **>(alloca((n + 1) * sizeof(void *)));
    size_t held = size_t(variant->containers);
    auto **containers = static_cast<PyObject **>(alloca((held + 1) * sizeof(void *)));
    auto *numbers = variant->has_numbers ? static_cast<int64_t *>(alloca(n * sizeof(int64_t))) : nullptr;
    Found found{objects, data, containers, grad, numbers};
    if (!variant->matches(args, count, names, found)) continue;
    ++self->hits;
    ++variant->hits;
    if (i > 0 && i < self->variants->size()) std::rotate(self->variants->begin(), self->variants->begin() + i, self->variants->begin() + i + 1);
    if (variant->callable) return PyObject_Vectorcall(variant->callable, args, count, names);
    // While the program runs without the GIL, other code could drop the last reference to a tensor in a list or a module.
    for (size_t k = 0; k < n; ++k) Py_INCREF(objects[k]);
    for (size_t k = 0; k < held; ++k) Py_INCREF(containers[k]);
    const Step *gave_up = nullptr;
    PyObject *answer = variant->run(found, &gave_up);
    for (size_t k = 0; k < n; ++k) Py_DECREF(objects[k]);
    for (size_t k = 0; k < held; ++k) Py_DECREF(containers[k]);
    if (!answer && !gave_up && variant->bail && is_bailout()) {
      PyErr_Clear();
      return PyObject_Vectorcall(variant->bail, args, count, names);
    }
    if (!gave_up) return answer;
    if (variant->bail) return PyObject_Vectorcall(variant->bail, args, count, names);
    set_bailout(*gave_up);
    return nullptr;
  }
  return call_miss(self, args, count, names);
}

PyObject *dispatcher_new(PyTypeObject *type, PyObject *, PyObject *) {
  auto *self = reinterpret_cast<Dispatcher *>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->vectorcall = dispatcher_call;
  self->variants = new std::vector<std::shared_ptr<Variant>>;
  self->miss = Py_NewRef(Py_None);
  return reinterpret_cast<PyObject *>(self);
}

int dispatcher_init(PyObject *object, PyObject *args, PyObject *keywords) {
  static const char *names[] = {"miss", nullptr};
  PyObject *miss;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O", const_cast<char **>(names), &miss)) return -1;
  if (!PyCallable_Check(miss)) {
    PyErr_SetString(PyExc_TypeError, "miss must be callable");
    return -1;
  }
  Py_XSETREF(reinterpret_cast<Dispatcher *>(object)->miss, Py_NewRef(miss));
  return 0;
}

int dispatcher_traverse(PyObject *object, visitproc visit, void *arg) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  Py_VISIT(self->miss);
  Py_VISIT(self->dict);
  // A variant that a running call shares is reachable from there: only this owner's own references may be reported.
  if (self->variants)
    for (auto &v : *self->variants)
      if (v.use_count() == 1)
        if (int stop = v->references.traverse(visit, arg)) return stop;
  return 0;
}

int dispatcher_clear(PyObject *object) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  if (self->variants) {
    auto gone = std::move(*self->variants);
    self->variants->clear();
  }
  PyObject *none = Py_NewRef(Py_None);
  Py_XSETREF(self->miss, none);
  Py_CLEAR(self->dict);
  return 0;
}

void dispatcher_dealloc(PyObject *object) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  PyObject_GC_UnTrack(object);
  if (self->weak) PyObject_ClearWeakRefs(object);
  dispatcher_clear(object);
  Py_CLEAR(self->miss);
  delete self->variants;
  Py_TYPE(object)->tp_free(object);
}

PyObject *dispatcher_add(PyObject *object, PyObject *description) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  try {
    auto variant = std::make_shared<Variant>(description);
    self->variants->insert(self->variants->begin(), std::move(variant));
  } catch (const std::exception &error) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject *dispatcher_clear_variants(PyObject *object, PyObject *) {
  auto gone = std::move(*reinterpret_cast<Dispatcher *>(object)->variants);
  reinterpret_cast<Dispatcher *>(object)->variants->clear();
  gone.clear();
  Py_RETURN_NONE;
}

PyObject *dispatcher_variants(PyObject *object, void *) {
  auto *self = reinterpret_cast<Dispatcher *>(object);
  PyObject *list = PyList_New(0);
  for (auto &v : *self->variants) {
    PyObject *pair = Py_BuildValue("(OK)", v->tag, (unsigned long long)v->hits);
    if (!pair || PyList_Append(list, pair)) {
      Py_XDECREF(pair);
      Py_DECREF(list);
      return nullptr;
    }
    Py_DECREF(pair);
  }
  return list;
}

PyObject *dispatcher_get(PyObject *self, PyObject *owner, PyObject *) {
  if (!owner || owner == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, owner);
}

PyMethodDef methods[] = {
    {"add", dispatcher_add, METH_O, "add(variant): puts a variant in front; see jic.runtime.dispatch.Variant."},
    {"clear", dispatcher_clear_variants, METH_NOARGS, "clear(): drops all variants."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef getters[] = {
    {"variants", dispatcher_variants, nullptr, "[(tag, hits), …], the most recently used first.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef members[] = {
    {"hits", T_ULONGLONG, offsetof(Dispatcher, hits), READONLY, "Calls that found a variant."},
    {"misses", T_ULONGLONG, offsetof(Dispatcher, misses), READONLY, "Calls that went to `miss`."},
    {"miss", T_OBJECT, offsetof(Dispatcher, miss), READONLY, "Called with (args, kwargs) when no variant matches; gives the result."},
    {nullptr, 0, 0, 0, nullptr}};

PyTypeObject type_object = {PyVarObject_HEAD_INIT(nullptr, 0)};

}  // namespace

PyObject *dispatcher_type(PyObject *of_programs) {
  set_program_type(of_programs);
  PyTypeObject &t = type_object;
  t.tp_name = "jic.runtime._native.Dispatcher";
  t.tp_doc = "Dispatcher(miss): calls the variant that matches the arguments, else miss(args, kwargs).";
  t.tp_basicsize = sizeof(Dispatcher);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_METHOD_DESCRIPTOR;
  t.tp_vectorcall_offset = offsetof(Dispatcher, vectorcall);
  t.tp_call = PyVectorcall_Call;
  t.tp_new = dispatcher_new;
  t.tp_init = dispatcher_init;
  t.tp_dealloc = dispatcher_dealloc;
  t.tp_traverse = dispatcher_traverse;
  t.tp_clear = dispatcher_clear;
  t.tp_methods = methods;
  t.tp_getset = getters;
  t.tp_members = members;
  t.tp_descr_get = dispatcher_get;
  t.tp_dictoffset = offsetof(Dispatcher, dict);
  t.tp_weaklistoffset = offsetof(Dispatcher, weak);
  if (PyType_Ready(&t)) return nullptr;
  return Py_NewRef(reinterpret_cast<PyObject *>(&t));
}

}  // namespace jic
