#include "python_program.h"

#include "../core/errors.h"
#include "torch_api.h"

namespace jic {

namespace {

PyObject *bailout_type, *index_bailout_type;

}  // namespace

PyObject *bailout_exception() {
  bailout_type = PyErr_NewException("jic.runtime._native.Bailout", PyExc_Exception, nullptr);
  PyObject *bases = bailout_type ? PyTuple_Pack(2, bailout_type, PyExc_IndexError) : nullptr;
  if (bases) index_bailout_type = PyErr_NewException("jic.runtime._native.IndexBailout", bases, nullptr);
  Py_XDECREF(bases);
  return index_bailout_type ? Py_NewRef(bailout_type) : nullptr;
}

bool is_bailout() { return PyErr_ExceptionMatches(bailout_type) != 0; }

void set_bailout(const Step &step) {
  PyErr_SetString(step.kind == StepKind::check ? index_bailout_type : bailout_type, step.message.c_str());
}

// One run's view of Python.
class PythonHost final : public Host {
 public:
  explicit PythonHost(const PythonProgram &program) : program_(program) {}
  ~PythonHost() override {
    for (PyObject *v : values_) Py_XDECREF(v);
  }

  void leave() noexcept override {
    if (!state_) state_ = PyEval_SaveThread();
  }

  void enter() noexcept override {
    if (!state_) return;
    PyEval_RestoreThread(state_);
    state_ = nullptr;
  }

  bool goes_on() noexcept override {
    enter();
    bool fine = PyErr_CheckSignals() == 0;
    leave();  // a run that takes this long lets other Python threads work from here on
    return fine;
  }

  bool call(size_t index, void *const *buffers, void **data) noexcept override {
    const AtenStep &step = *program_.aten_[index];
    const std::vector<int64_t> &numbers = program_.core().steps[index].results;
    if (values_.empty()) values_.assign(size_t(program_.core().values), nullptr);
    PyObject *operands = PyTuple_New(Py_ssize_t(step.operands.size()));
    if (!operands) return false;
    for (size_t k = 0; k < step.operands.size(); ++k) {
      auto &type = step.operands[k];
      PyObject *tensor = tensor_borrowing(buffers[k], {type.element->code, type.element->bits, 1}, int(type.shape.size()), type.shape.data());
      if (!tensor) {
        Py_DECREF(operands);
        return false;
      }
      PyTuple_SET_ITEM(operands, Py_ssize_t(k), tensor);
    }
    PyObject *number = PyLong_FromSize_t(index);
    PyObject *results = number ? PyObject_CallFunctionObjArgs(program_.call_aten, number, operands, nullptr) : nullptr;
    Py_XDECREF(number);
    Py_DECREF(operands);
    if (!results) return false;
    bool ok = PyTuple_Check(results) && PyTuple_GET_SIZE(results) == Py_ssize_t(numbers.size());
    if (!ok) PyErr_SetString(PyExc_RuntimeError, "an aten call gave another number of results than its step says");
    for (size_t k = 0; ok && k < numbers.size(); ++k) {
      PyObject *tensor = PyTuple_GET_ITEM(results, Py_ssize_t(k));
      DLTensor view;
      if (torch_api.dlpack->dltensor_from_py_object_no_sync(tensor, &view)) {
        ok = false;
        break;
      }
      Py_XSETREF(values_[size_t(numbers[k])], Py_NewRef(tensor));
      data[k] = static_cast<char *>(view.data) + view.byte_offset;
    }
    Py_DECREF(results);
    return ok;
  }

 private:
  const PythonProgram &program_;
  PyThreadState *state_ = nullptr;    // while the GIL is released
  std::vector<PyObject *> values_;    // owned: what ATen steps gave, by value
};

PythonProgram::PythonProgram(LoadedProgram loaded, PyObject *call) : call_aten(Py_NewRef(call)), loaded_(std::move(loaded)) {
  aten_.assign(core().steps.size(), nullptr);
  for (auto &step : loaded_.aten) {
    for (auto &type : step.operands)
      if (type.shape.size() > size_t(kMaxRank)) throw Error(JIC_ERROR_MANIFEST, "an operand of rank above " + std::to_string(kMaxRank));
    aten_[size_t(step.number)] = &step;
  }
}

PythonProgram::~PythonProgram() { Py_XDECREF(call_aten); }

bool PythonProgram::run(void *const *inputs, void *const *outputs, const Step **gave_up) const {
  PythonHost host(*this);
  switch (core().run(inputs, outputs, host, gave_up)) {
    case Outcome::done: return true;
    case Outcome::no_memory: PyErr_NoMemory(); break;
    case Outcome::bailed:
    case Outcome::stopped: break;
  }
  return false;
}

}  // namespace jic
