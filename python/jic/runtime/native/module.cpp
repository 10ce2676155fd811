// The Python module jic.runtime._native.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unordered_map.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <tuple>

#include "crc32.h"
#include "dispatcher.h"
#include "parallel.h"
#include "pool.h"
#include "program.h"
#include "torch_api.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace jic;

namespace {

struct Builder {
  Program &program;

  Slot slot(nb::handle h) {
    auto t = nb::cast<nb::tuple>(h);
    int kind = nb::cast<int>(t[0]);
    int64_t index = nb::cast<int64_t>(t[1]);
    int64_t limits[] = {program.inputs, program.outputs, int64_t(program.constants.size()), program.workspace + 1, program.values};
    if (kind < 0 || kind > 4 || index < 0 || index >= limits[kind]) throw nb::value_error("a slot that does not exist");
    return {SlotKind(kind), index};
  }

  void buffers(Step &step, nb::handle list) {
    step.first = int64_t(program.slots.size());
    for (nb::handle h : nb::cast<nb::tuple>(list)) program.slots.push_back(slot(h));
  }

  TensorType type(nb::handle h) {
    auto t = nb::cast<nb::tuple>(h);
    TensorType made{{uint8_t(nb::cast<int>(t[0])), uint8_t(nb::cast<int>(t[1])), 1}, nb::cast<std::vector<int64_t>>(t[2])};
    if (made.shape.size() > size_t(kMaxRank)) throw nb::value_error("an operand of too high a rank");
    return made;
  }

  void step(nb::handle h) {
    auto t = nb::cast<nb::tuple>(h);
    auto name = nb::cast<std::string>(t[0]);
    Step step;
    if (name == "launch") {
      step.kind = StepKind::launch;
      auto kernel = nb::cast<std::string>(t[1]);
      auto found = program.code ? program.code->functions().find(kernel) : decltype(program.code->functions().end()){};
      if (!program.code || found == program.code->functions().end()) throw LoadError("the object has no kernel '" + kernel + "'");
      step.kernel = reinterpret_cast<Step::Kernel>(found->second);
      buffers(step, t[2]);
      step.tasks = nb::cast<int64_t>(t[3]);
      step.cost = nb::cast<int64_t>(t[4]);
    } else if (name == "zero" || name == "copy") {
      step.kind = name == "zero" ? StepKind::zero : StepKind::copy;
      buffers(step, t[1]);
      step.bytes = nb::cast<int64_t>(t[2]);
      if (step.bytes < 0) throw nb::value_error("a negative size");
      step.cost = step.bytes / 8;  // about 8 bytes a ns
    } else if (name == "check") {
      step.kind = StepKind::check;
      buffers(step, t[1]);
      step.message = nb::cast<std::string>(t[2]);
    } else if (name == "bail") {
      step.kind = StepKind::bail;
      buffers(step, t[1]);
      step.message = nb::cast<std::string>(t[2]);
    } else if (name == "jump" || name == "branch" || name == "count") {
      step.kind = name == "jump" ? StepKind::jump : name == "branch" ? StepKind::branch : StepKind::count;
      buffers(step, t[1]);
      step.to = nb::cast<int64_t>(t[2]);
    } else if (name == "set") {
      step.kind = StepKind::set;
      buffers(step, t[1]);
      step.value = nb::cast<int64_t>(t[2]);
    } else if (name == "aten") {
      step.kind = StepKind::aten;
      for (nb::handle o : nb::cast<nb::tuple>(t[1])) {
        auto pair = nb::cast<nb::tuple>(o);
        step.operands.push_back(slot(pair[0]));
        step.types.push_back(type(pair[1]));
      }
      for (nb::handle r : nb::cast<nb::tuple>(t[2])) step.results.push_back(slot(nb::make_tuple(4, r)).index);
    } else {
      throw nb::value_error("an unknown kind of step");
    }
    int64_t needed[] = {0, 1, 1, 2, 0, 0, 1, 1, 2, 1};  // buffers, by kind
    if (step.kind != StepKind::launch && step.kind != StepKind::aten &&
        int64_t(program.slots.size()) - step.first != needed[int(step.kind)])
      throw nb::value_error("a step with a wrong number of buffers");
    program.steps.push_back(std::move(step));
  }

  void check_jumps() {
    for (auto &s : program.steps) {
      bool jumps = s.kind == StepKind::jump || s.kind == StepKind::branch || s.kind == StepKind::count;
      if (jumps && (s.to < 0 || s.to > int64_t(program.steps.size()))) throw nb::value_error("a jump to a step that does not exist");
    }
  }
};

void build(Program *self, nb::bytes code, nb::bytes constants, std::vector<std::pair<int64_t, int64_t>> ranges, nb::tuple sizes,
           nb::tuple steps, nb::object call_aten, std::unordered_map<std::string, uintptr_t> externals) {
  new (self) Program;
  try {
    Program &p = *self;
    p.inputs = nb::cast<int64_t>(sizes[0]);
    p.outputs = nb::cast<int64_t>(sizes[1]);
    p.values = nb::cast<int64_t>(sizes[2]);
    p.workspace = nb::cast<int64_t>(sizes[3]);
    p.scratch = (nb::cast<int64_t>(sizes[4]) + 63) / 64 * 64;
    for (int64_t v : {p.inputs, p.outputs, p.values, p.workspace, p.scratch})
      if (v < 0) throw nb::value_error("a negative size");
    if (code.size()) p.code = std::make_unique<LoadedObject>(std::string_view(code.c_str(), code.size()), externals);
    p.constant_memory = static_cast<char *>(pool_allocate(constants.size() + 64));
    if (!p.constant_memory) throw std::bad_alloc();
    std::memcpy(p.constant_memory, constants.c_str(), constants.size());
    for (auto [offset, size] : ranges) {
      if (offset < 0 || size < 0 || uint64_t(offset) > constants.size() || uint64_t(size) > constants.size() - uint64_t(offset))
        throw nb::value_error("a constant outside the constants");
      p.constants.push_back(p.constant_memory + offset);
    }
    p.call_aten = call_aten.inc_ref().ptr();
    Builder builder{p};
    for (nb::handle s : steps) {
      auto pair = nb::cast<nb::tuple>(s);
      builder.step(pair[0]);
      p.steps.back().times = std::max<int64_t>(1, nb::cast<int64_t>(pair[1]));
    }
    builder.check_jumps();
    p.finish();
  } catch (const nb::cast_error &) {
    self->~Program();
    throw nb::value_error("a field of the wrong type or out of range");
  } catch (...) {
    self->~Program();
    throw;
  }
}

void run(Program &self, std::vector<uintptr_t> in, std::vector<uintptr_t> out) {
  if (int64_t(in.size()) != self.inputs || int64_t(out.size()) != self.outputs) throw nb::value_error("a wrong number of buffers");
  const Step *bail = nullptr;
  Outcome outcome = self.run(reinterpret_cast<void *const *>(in.data()), reinterpret_cast<void *const *>(out.data()), &bail);
  if (outcome == Outcome::failed) throw nb::python_error();
  if (outcome == Outcome::bailed) {
    set_bailout(*bail);
    throw nb::python_error();
  }
}

int program_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  Py_VISIT(nb::inst_ptr<Program>(self)->call_aten);
  return 0;
}

int program_clear(PyObject *self) {
  Program *program = nb::inst_ptr<Program>(self);
  Py_CLEAR(program->call_aten);
  return 0;
}

PyType_Slot program_slots[] = {
    {Py_tp_traverse, reinterpret_cast<void *>(program_traverse)}, {Py_tp_clear, reinterpret_cast<void *>(program_clear)}, {0, nullptr}};

}  // namespace

NB_MODULE(_native, m) {
  // Compiled functions are globals of users' modules as a rule, and Python does not tear those down: not a leak to warn of.
  nb::set_leak_warnings(false);
  nb::exception<LoadError>(m, "LoadError", PyExc_RuntimeError);
  PyObject *bailout = bailout_exception();
  if (!bailout) throw nb::python_error();
  m.attr("Bailout") = nb::steal(bailout);

  m.def(
      "initialize",
      [](nb::object tensor, nb::object parameter, nb::object is_grad_enabled, std::optional<std::string> c10, std::optional<std::string> openmp) {
        torch_initialize(tensor.ptr(), parameter.ptr(), is_grad_enabled.ptr(), c10 ? c10->c_str() : nullptr);
        return parallel_initialize(openmp ? openmp->c_str() : nullptr);
      },
      "tensor"_a, "parameter"_a, "is_grad_enabled"_a, "c10"_a.none(), "openmp"_a.none(),
      "Takes what is needed of torch; once, before anything else. Returns whether torch's threads were found.");

  m.def(
      "set_tensor_layout",
      [](std::optional<std::tuple<size_t, size_t, size_t, size_t, size_t>> layout) {
        TensorLayout set;
        if (layout) std::tie(set.storage, set.begin, set.end, set.data, set.max_rank) = *layout;
        if (set.begin > set.end || (set.end - set.begin) % 8 || set.end - set.begin > TensorLayout::kMost)
          throw nb::value_error("a layout of too many bytes, or of parts of words");
        torch_api.layout = set;
      },
      "layout"_a.none(), "Tells where torch keeps what a tensor is (see tensor_layout.TensorLayout). Holds for variants made afterwards.");

  auto program = nb::class_<Program>(m, "Program", nb::type_slots(program_slots), nb::is_weak_referenceable());
  program
      .def("__init__", build, "code"_a, "constants"_a, "ranges"_a, "sizes"_a, "steps"_a, "call_aten"_a, "externals"_a)
      .def("run", run, "inputs"_a, "outputs"_a, "Runs on buffers given by address.")
      .def_prop_rw(
          "timing", [](Program &p) { return p.timing.load(); }, [](Program &p, bool on) { p.timing = on; },
          "Whether runs measure each step.")
      .def("reset_times", &Program::reset_times)
      .def("times", [](Program &p) {
        nb::list rows;
        for (auto &t : p.times()) rows.append(nb::make_tuple(t.count, t.total, t.count ? t.least : 0));
        return rows;
      }, "[(runs, total ns, least ns), …], one a step.");

  m.def("max_threads", parallel_max_threads, "Threads that a program may use now.");
  m.def(
      "set_thresholds",
      [](int64_t step, int64_t segment, int64_t steal, int64_t release_gil) {
        Thresholds::step = step;
        Thresholds::segment = segment;
        Thresholds::steal = steal;
        Thresholds::release_gil = release_gil;
      },
      "step"_a = 3000, "segment"_a = 8000, "steal"_a = 500000, "release_gil"_a = 20000,
      "Costs in ns from which work is shared among threads: of one step, of consecutive steps, of a thread's share that others may take; and "
      "from which the GIL is released. Holds for programs made afterwards.");

  m.def("functions", [](nb::bytes code) {
    LoadedObject object(std::string_view(code.c_str(), code.size()), {});
    std::vector<std::string> names;
    for (auto &[name, address] : object.functions()) names.push_back(name);
    return names;
  }, "code"_a, "Loads an object and names its functions. Raises LoadError when it cannot be loaded.");

  m.def("crc32", [](nb::handle data, uint32_t before) {
    Py_buffer view;
    if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
    uint32_t sum;
    {
      nb::gil_scoped_release released;
      sum = crc32(view.buf, size_t(view.len), before);
    }
    PyBuffer_Release(&view);
    return sum;
  }, "data"_a, "before"_a = 0, "The CRC-32 of a contiguous buffer that follows one with that of `before`, as zlib.crc32 gives it.");

  m.def("pool_set_limit", pool_set_limit, "bytes"_a, "Bounds the memory that the allocator of outputs keeps for reuse.");
  m.def("pool_trim", pool_trim, "Gives all memory that is kept for reuse back to the system.");
  m.def("pool_stats", [] {
    auto s = pool_stats();
    nb::dict d;
    d["reused"] = s.reused;
    d["fresh"] = s.fresh;
    d["live_bytes"] = s.live_bytes;
    d["cached_bytes"] = s.cached_bytes;
    d["limit_bytes"] = s.limit_bytes;
    return d;
  });

  PyObject *dispatcher = dispatcher_type(program.ptr());
  if (!dispatcher) throw nb::python_error();
  m.attr("Dispatcher") = nb::steal(dispatcher);

  m.def("enable_vectorcall", [](nb::handle type) {
    // Python 3.11 does not pass this flag on to classes made by a class statement; __call__ is the base's, so it holds for them too.
    auto *t = reinterpret_cast<PyTypeObject *>(type.ptr());
    if (!PyType_Check(type.ptr()) || !t->tp_base || t->tp_vectorcall_offset == 0 || t->tp_call != t->tp_base->tp_call)
      throw nb::type_error("not a class derived from Dispatcher that keeps its __call__");
    // So is this one for classes with a __get__ in Python, which binds as the base's does: `object.method(...)` needs no bound method.
    t->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
    PyType_Modified(t);
  }, "type"_a, "Lets a Python class derived from Dispatcher be called as fast as Dispatcher itself.");
}
