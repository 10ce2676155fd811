#include "variant.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <string>

#include "../core/pool.h"
#include "../core/strided_copy.h"
#include "torch_api.h"

namespace nb = nanobind;

namespace jic {
namespace {

PyTypeObject *program_type;

PyObject *field(PyObject *dict, const char *name) {
  PyObject *value = PyDict_Check(dict) ? PyDict_GetItemString(dict, name) : nullptr;
  if (!value) throw SpecError(std::string("a variant without '") + name + "'");
  return value;
}

template <class F> void each(PyObject *tuple, F &&visit) {
  if (!PyTuple_Check(tuple)) throw SpecError("not a tuple");
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) visit(PyTuple_GET_ITEM(tuple, i));
}

// The range of addresses that a tensor's elements lie in.
std::pair<uintptr_t, uintptr_t> extent(const TensorSpec &spec, const void *data) {
  int64_t last = 0, size = spec.dtype.bits / 8;
  if (spec.bytes == 0) return {0, 0};
  for (size_t d = 0; d < spec.shape.size(); ++d) last += (spec.shape[d] - 1) * spec.strides[d];
  return {uintptr_t(data), uintptr_t(data) + uintptr_t((last + 1) * size)};
}

// Memory that goes back when the call ends, however it ends.
struct Temporaries {
  std::vector<void *> blocks;
  ~Temporaries() {
    for (void *b : blocks) pool_free(b);
  }
};

}  // namespace

void set_program_type(PyObject *type) { program_type = reinterpret_cast<PyTypeObject *>(Py_NewRef(type)); }

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
  program = nb::inst_ptr<PythonProgram>(nb::handle(references.keep(p)));
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
  if (int64_t(inputs.size()) != program->core().inputs || int64_t(outputs.size()) != program->core().outputs)
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
  ok = ok && program->run(in, out, gave_up);
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

}  // namespace jic
