// The Python module jic.runtime._native.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unordered_map.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <string>
#include <tuple>

#include "../core/cpu_features.h"
#include "../core/crc32.h"
#include "../core/errors.h"
#include "../core/parallel.h"
#include "../core/pool.h"
#include "dispatcher.h"
#include "python_program.h"
#include "torch_api.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace jic;

namespace {

// `numbers` of the loaded program are the steps that the manifest's own are at: others are put between them.
void build(PythonProgram *self, std::string manifest, nb::bytes code, nb::bytes constants, nb::object call_aten,
           std::unordered_map<std::string, uintptr_t> externals) {
  auto bytes = [](nb::bytes &b) { return std::string_view(b.c_str(), b.size()); };
  try {
    new (self) PythonProgram(read_program(Json::parse(manifest), bytes(code), bytes(constants), externals), call_aten.ptr());
  } catch (const Error &error) {
    if (error.code == JIC_ERROR_MEMORY) throw std::bad_alloc();
    if (error.code == JIC_ERROR_CODE) throw LoadError(error.what());
    throw nb::value_error(error.what());
  } catch (const JsonError &error) {
    throw nb::value_error(error.what());
  }
}

void run(PythonProgram &self, std::vector<uintptr_t> in, std::vector<uintptr_t> out) {
  if (int64_t(in.size()) != self.core().inputs || int64_t(out.size()) != self.core().outputs) throw nb::value_error("a wrong number of buffers");
  const Step *gave_up = nullptr;
  if (self.run(reinterpret_cast<void *const *>(in.data()), reinterpret_cast<void *const *>(out.data()), &gave_up)) return;
  if (gave_up) set_bailout(*gave_up);
  throw nb::python_error();
}

int program_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  Py_VISIT(nb::inst_ptr<PythonProgram>(self)->call_aten);
  return 0;
}

int program_clear(PyObject *self) {
  PythonProgram *program = nb::inst_ptr<PythonProgram>(self);
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
        return parallel_use_openmp(openmp ? openmp->c_str() : nullptr);
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

  auto program = nb::class_<PythonProgram>(m, "Program", nb::type_slots(program_slots), nb::is_weak_referenceable());
  program
      .def("__init__", build, "manifest"_a, "code"_a, "constants"_a, "call_aten"_a, "externals"_a)
      .def("run", run, "inputs"_a, "outputs"_a, "Runs on buffers given by address.")
      .def_prop_rw(
          "timing", [](PythonProgram &p) { return p.core().timing.load(); }, [](PythonProgram &p, bool on) { p.core().timing = on; },
          "Whether runs measure each step.")
      .def_prop_ro("numbers", &PythonProgram::numbers, "The step that each of the manifest's steps is at.")
      .def("reset_times", [](PythonProgram &p) { p.core().reset_times(); })
      .def("times", [](PythonProgram &p) {
        nb::list rows;
        for (auto &t : p.core().times()) rows.append(nb::make_tuple(t.count, t.total, t.count ? t.least : 0));
        return rows;
      }, "[(runs, total ns, least ns), …], one a step.");

  m.def("max_threads", parallel_max_threads, "Threads that a program may use now.");
  m.def(
      "set_thresholds",
      [](int64_t step, int64_t segment, int64_t steal, int64_t release_gil) {
        Thresholds::step = step;
        Thresholds::segment = segment;
        Thresholds::steal = steal;
        Thresholds::leave = release_gil;
      },
      "step"_a = 3000, "segment"_a = 8000, "steal"_a = 500000, "release_gil"_a = 20000,
      "Costs in ns from which work is shared among threads: of one step, of consecutive steps, of a thread's share that others may take; and "
      "from which the GIL is released. Holds for programs made afterwards.");

  m.def("missing_features", [](const std::string &features) { return missing_features(features); }, "features"_a,
        "The CPU features that a text like 'znver4 +avx2,-fma' asks for and this machine lacks.");
  m.def("cpu_flags", [] { return cpu_flags(); }, "The names that the system has for the CPU's features.");

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
