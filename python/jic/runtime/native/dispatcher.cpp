#include "dispatcher.h"

#include <nanobind/nanobind.h>
#include <structmember.h>

#include <algorithm>
#include <memory>
#include <string>

#include "pool.h"
#include "program.h"
#include "result_plan.h"
#include "snapshots.h"
#include "spec.h"
#include "state.h"
#include "strided_copy.h"
#include "torch_api.h"

namespace nb = nanobind;

namespace jic {
namespace {

PyTypeObject *program_type;

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
  Program *program = nullptr;
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

PyObject *field(PyObject *dict, const char *name) {
  PyObject *value = PyDict_Check(dict) ? PyDict_GetItemString(dict, name) : nullptr;
  if (!value) throw SpecError(std::string("a variant without '") + name + "'");
  return value;
}

template <class F> void each(PyObject *tuple, F &&visit) {
  if (!PyTuple_Check(tuple)) throw SpecError("not a tuple");
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) visit(PyTuple_GET_ITEM(tuple, i));
}

Variant::Variant(PyObject *d) {
  each(field(d, "arguments"), [&](PyObject *a) { arguments.emplace_back(a, tensors, containers, references); });
  each(field(d, "keywords"), [&](PyObject *pair) {
    keywords.push_back(references.keep(part(pair, 0)));
    text_of(keywords.back());
    keyword_arguments.emplace_back(part(pair, 1), tensors, containers, references);
  });
  first_captured = int(tensors.size());
  for (auto *list : {&arguments, &keyword_arguments})
    for (auto &a : *list) has_numbers |= a.holds_numbers();
  std::vector<PyObject *> themselves;  // null if the state says where they are
  each(field(d, "captured"), [&](PyObject *c) {
    themselves.push_back(part(c, 0) == Py_None ? nullptr : references.keep(part(c, 0)));
    tensors.emplace_back(part(c, 1));
    captured.emplace_back();
    if (part(c, 2) != Py_None) captured.back().emplace(part(c, 2));
    captures_numbers |= captured.back().has_value();
  });
  has_numbers |= captures_numbers;
  snapshots = std::make_unique<Snapshots>(captured.size());
  state = std::make_unique<State>(field(d, "state"), std::move(themselves), references);
  tag = references.keep(field(d, "tag"));
  std::string grad = text_of(field(d, "grad"));
  needs_grad = grad == "required";
  any_grad = grad == "any";
  if (PyObject *c = field(d, "callable"); c != Py_None) {
    if (!PyCallable_Check(c)) throw SpecError("a variant's callable cannot be called");
    callable = references.keep(c);
    return;
  }
  if (PyObject *b = field(d, "bail"); b != Py_None) {
    if (!PyCallable_Check(b)) throw SpecError("what a variant calls when its program gives up cannot be called");
    bail = references.keep(b);
  }
  PyObject *p = field(d, "program");
  if (!PyObject_TypeCheck(p, program_type)) throw SpecError("a variant needs a program or a callable");
  program = nb::inst_ptr<Program>(nb::handle(references.keep(p)));
  each(field(d, "inputs"), [&](PyObject *i) {
    int64_t index = integer_of(i);
    if (index < 0 || size_t(index) >= tensors.size()) throw SpecError("an input names a tensor that does not exist");
    inputs.push_back(int(index));
    auto &spec = tensors[index];
    if (spec.device.device_type != kDLCPU) throw SpecError("an input is not on the cpu");
    copies_inputs |= !spec.contiguous;
    for (int64_t s : spec.strides)
      if (s < 0) throw SpecError("a negative stride");
  });
  each(field(d, "outputs"), [&](PyObject *o) {
    TensorSpec spec(o);
    if (spec.shape.size() > kMaxRank) throw SpecError("an output of rank above " + std::to_string(kMaxRank));
    outputs.push_back({spec.dtype, spec.shape, spec.strides, size_t(spec.bytes)});
  });
  if (int64_t(inputs.size()) != program->inputs || int64_t(outputs.size()) != program->outputs)
    throw SpecError("the program has another number of inputs or outputs than the variant");
  each(field(d, "copies"), [&](PyObject *pair) {
    int64_t from = integer_of(part(pair, 0)), to = integer_of(part(pair, 1));
    if (from < 0 || size_t(from) >= outputs.size() || to < 0 || size_t(to) >= tensors.size())
      throw SpecError("a copy names an output or tensor that does not exist");
    copies.emplace_back(int(from), int(to));
  });
  result = std::make_unique<ResultPlan>(field(d, "result"), references);
  result->check(int(outputs.size()), int(tensors.size()), containers, built);
}

bool Variant::matches(PyObject *const *args, size_t count, PyObject *names, Found &found) const {
  size_t given = names ? size_t(PyTuple_GET_SIZE(names)) : 0;
  if (count != arguments.size() || given != keywords.size()) return false;
  if (needs_grad && !found.grad) return false;
  int grad = found.grad;
  if (any_grad) found.grad = 0;
  bool ok = true;
  for (size_t i = 0; ok && i < count; ++i) ok = arguments[i].matches(args[i], tensors, found);
  for (size_t k = 0; ok && k < given; ++k) {
    size_t at = k;
    PyObject *name = keywords[k];
    if (PyTuple_GET_ITEM(names, at) != name) {
      for (at = 0; at < given; ++at) {
        PyObject *n = PyTuple_GET_ITEM(names, at);
        if (n == name || PyUnicode_Compare(n, name) == 0) break;
      }
    }
    ok = at < given && keyword_arguments[k].matches(args[count + at], tensors, found);
  }
  ok = ok && state->holds(found.objects + first_captured);
  for (size_t c = 0; ok && c < captured.size(); ++c) {
    int index = first_captured + int(c);
    PyObject *value = found.objects[index];
    if (!value) {
      ok = false;
    } else if (captures_numbers && captured[c]) {
      ok = number_matches(value, *captured[c], index, found);
    } else {
      ok = snapshots->same(c, value, tensors[index], index, found) || snapshots->matches(c, value, tensors[index], index, found);
    }
  }
  found.grad = grad;
  return ok && !overlaps(found);
}

// The range of addresses that a tensor's elements lie in.
std::pair<uintptr_t, uintptr_t> extent(const TensorSpec &spec, const void *data) {
  int64_t last = 0, size = spec.dtype.bits / 8;
  if (spec.bytes == 0) return {0, 0};
  for (size_t d = 0; d < spec.shape.size(); ++d) last += (spec.shape[d] - 1) * spec.strides[d];
  return {uintptr_t(data), uintptr_t(data) + uintptr_t((last + 1) * size)};
}

bool Variant::overlaps(const Found &found) const {
  for (auto &copy : copies) {
    auto written = extent(tensors[copy.second], found.data[copy.second]);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (int(i) == copy.second) continue;
      auto other = extent(tensors[i], found.data[i]);
      if (written.first < other.second && other.first < written.second) return true;
    }
  }
  return false;
}

// Memory that goes back when the call ends, however it ends.
struct Temporaries {
  std::vector<void *> blocks;
  ~Temporaries() {
    for (void *b : blocks) pool_free(b);
  }
};

PyObject *Variant::run(Found &found, const Step **gave_up) const {
  size_t n_in = inputs.size(), n_out = outputs.size();
  auto **in = static_cast<void **>(alloca((n_in + 1) * sizeof(void *)));
  auto **out = static_cast<void **>(alloca((n_out + 1) * sizeof(void *)));
  auto **made = static_cast<PoolTensor **>(alloca((n_out + 1) * sizeof(void *)));
  auto **wrapped = static_cast<PyObject **>(alloca((n_out + 1) * sizeof(void *)));
  for (size_t i = 0; i < n_in; ++i) in[i] = found.data[inputs[i]];
  Temporaries temporaries;
  if (copies_inputs)
    for (size_t i = 0; i < n_in; ++i) {
      auto &spec = tensors[inputs[i]];
      if (spec.contiguous) continue;
      void *copy = pool_allocate(size_t(spec.bytes));
      if (!copy) return PyErr_NoMemory();
      temporaries.blocks.push_back(copy);
      strided_copy(copy, in[i], spec.dtype.bits / 8, int(spec.shape.size()), spec.shape.data(), spec.strides.data());
      in[i] = copy;
    }
  size_t have = 0;
  for (; have < n_out; ++have) {
    made[have] = pool_tensor_allocate(outputs[have].bytes, &out[have]);
    if (!made[have]) break;
  }
  bool ok = have == n_out;
  if (!ok) PyErr_NoMemory();
  ok = ok && program->run(in, out, gave_up) == Outcome::done;
  if (!ok) {
    for (size_t i = 0; i < have; ++i) pool_tensor_discard(made[i]);
    return nullptr;
  }
  size_t ready = 0;
  for (; ready < n_out; ++ready) {
    auto &o = outputs[ready];
    wrapped[ready] = pool_tensor_wrap(made[ready], o.dtype, int(o.shape.size()), o.shape.data(), o.strides.data());
    if (!wrapped[ready]) break;
  }
  // torch frees the memory of the tensor it failed to make; those after it are still ours.
  for (size_t i = ready + 1; i < n_out; ++i) pool_tensor_discard(made[i]);
  PyObject *answer = nullptr;
  if (ready == n_out) {
    for (auto &[from, to] : copies) {
      static PyObject *copy_name = PyUnicode_InternFromString("copy_");
      PyObject *done = PyObject_CallMethodOneArg(found.objects[to], copy_name, wrapped[from]);
      if (!done) ok = false;
      Py_XDECREF(done);
      if (!ok) break;
    }
    if (ok) {
      auto **twice = static_cast<PyObject **>(alloca((size_t(built) + 1) * sizeof(void *)));
      std::fill(twice, twice + built, nullptr);
      answer = result->build({wrapped, found.objects, found.containers, twice});
      for (int i = 0; i < built; ++i) Py_XDECREF(twice[i]);
    }
  }
  for (size_t i = 0; i < ready; ++i) Py_DECREF(wrapped[i]);
  return answer;
}

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
  program_type = reinterpret_cast<PyTypeObject *>(Py_NewRef(of_programs));
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
