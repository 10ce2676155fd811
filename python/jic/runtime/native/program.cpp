#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "pool.h"
#include "torch_api.h"

namespace jic {

namespace {

constexpr size_t kKeptFrames = 4;

PyObject *bailout_type, *index_bailout_type;

uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

Frame::~Frame() {
  pool_free(workspace);
  pool_free(scratch);
  for (PyObject *v : values) Py_XDECREF(v);
}

Program::~Program() {
  frames_.clear();
  pool_free(constant_memory);
  Py_XDECREF(call_aten);
}

void Program::finish() {
  for (size_t i = 0; i < slots.size(); ++i) {
    auto kind = slots[i].kind;
    if (kind == SlotKind::input || kind == SlotKind::output || kind == SlotKind::value) patches_.push_back({int64_t(i), slots[i]});
  }
  plan_segments();
  times_.resize(steps.size());
}

std::vector<StepTime> Program::times() {
  std::lock_guard<std::mutex> lock(mutex_);
  return times_;
}

void Program::reset_times() {
  std::lock_guard<std::mutex> lock(mutex_);
  times_.assign(steps.size(), {});
}

void *Program::data_of(const Frame &frame, Slot slot, void *const *in, void *const *out) const {
  switch (slot.kind) {
    case SlotKind::input: return in[slot.index];
    case SlotKind::output: return out[slot.index];
    case SlotKind::constant: return constants[slot.index];
    case SlotKind::workspace: return frame.workspace + slot.index;
    case SlotKind::value: return frame.value_data[slot.index];
  }
  return nullptr;
}

std::unique_ptr<Frame> Program::take_frame() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!frames_.empty()) {
      auto frame = std::move(frames_.back());
      frames_.pop_back();
      return frame;
    }
  }
  auto frame = std::make_unique<Frame>();
  if (workspace && !(frame->workspace = static_cast<char *>(pool_allocate(workspace)))) return nullptr;
  frame->values.assign(values, nullptr);
  frame->value_data.assign(values, nullptr);
  frame->buffers.assign(slots.size(), nullptr);
  for (size_t i = 0; i < slots.size(); ++i)
    if (slots[i].kind == SlotKind::constant || slots[i].kind == SlotKind::workspace)
      frame->buffers[i] = data_of(*frame, slots[i], nullptr, nullptr);
  return frame;
}

void Program::give_frame(std::unique_ptr<Frame> frame) {
  for (auto &v : frame->values) Py_CLEAR(v);
  std::lock_guard<std::mutex> lock(mutex_);
  if (frames_.size() < kKeptFrames) frames_.push_back(std::move(frame));
}

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

Outcome Program::run(void *const *in, void *const *out, const Step **bail) {
  auto frame = take_frame();
  if (!frame) {
    PyErr_NoMemory();
    return Outcome::failed;
  }
  for (auto &p : patches_)
    if (p.slot.kind != SlotKind::value) frame->buffers[p.buffer] = data_of(*frame, p.slot, in, out);
  frame->failed = frame->bailed = -1;
  frame->interrupted = false;
  frame->ticks = 0;
  frame->patience = 1;
  frame->looked = 0;
  frame->timed = timing;
  if (frame->timed) frame->times.assign(steps.size(), {});
  Outcome outcome = run_steps(*frame, in, out);
  if (outcome == Outcome::done && frame->timed) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < steps.size(); ++i) {
      auto &t = times_[i];
      t.count += frame->times[i].count;
      t.total += frame->times[i].total;
      t.least = std::min(t.least, frame->times[i].least);
    }
  }
  if (outcome == Outcome::bailed) *bail = &steps[frame->bailed >= 0 ? frame->bailed : frame->failed];
  give_frame(std::move(frame));
  return outcome;
}

Outcome Program::run_steps(Frame &frame, void *const *in, void *const *out) {
  for (size_t i = 0; i < steps.size();) {
    if (steps[i].kind == StepKind::aten) {
      uint64_t start = frame.timed ? now() : 0;
      if (!run_aten(frame, steps[i], i, in, out)) return Outcome::failed;
      if (frame.timed) frame.times[i].add(now() - start);
      ++i;
    } else if (int number = segment_at_[i]; number >= 0) {
      if (!run_segment(frame, segments_[number])) return Outcome::failed;
      i = segments_[number].end;
    } else {
      uint64_t start = frame.timed ? now() : 0;
      size_t next = follow(frame, steps[i], i);  // a jump around an aten call
      if (frame.timed) frame.times[i].add(now() - start);
      i = next;
      if (frame.state) {
        PyEval_RestoreThread(frame.state);
        frame.state = nullptr;
      }
    }
    if (frame.interrupted) return Outcome::failed;
    if (frame.bailed >= 0 || frame.failed >= 0) return Outcome::bailed;
  }
  return Outcome::done;
}

bool Program::run_aten(Frame &frame, const Step &step, size_t index, void *const *in, void *const *out) {
  PyObject *operands = PyTuple_New(Py_ssize_t(step.operands.size()));
  if (!operands) return false;
  for (size_t k = 0; k < step.operands.size(); ++k) {
    Slot slot = step.operands[k];
    auto &type = step.types[k];
    PyObject *tensor = tensor_borrowing(data_of(frame, slot, in, out), type.dtype, int(type.shape.size()), type.shape.data());
    if (!tensor) {
      Py_DECREF(operands);
      return false;
    }
    PyTuple_SET_ITEM(operands, Py_ssize_t(k), tensor);
  }
  PyObject *number = PyLong_FromSize_t(index);
  PyObject *results = number ? PyObject_CallFunctionObjArgs(call_aten, number, operands, nullptr) : nullptr;
  Py_XDECREF(number);
  Py_DECREF(operands);
  if (!results) return false;
  bool ok = PyTuple_Check(results) && PyTuple_GET_SIZE(results) == Py_ssize_t(step.results.size());
  if (!ok) PyErr_SetString(PyExc_RuntimeError, "an aten call gave another number of results than its step says");
  for (size_t k = 0; ok && k < step.results.size(); ++k) {
    PyObject *tensor = PyTuple_GET_ITEM(results, Py_ssize_t(k));
    DLTensor view;
    if (torch_api.dlpack->dltensor_from_py_object_no_sync(tensor, &view)) {
      ok = false;
      break;
    }
    Py_INCREF(tensor);
    Py_XSETREF(frame.values[step.results[k]], tensor);
    frame.value_data[step.results[k]] = static_cast<char *>(view.data) + view.byte_offset;
  }
  Py_DECREF(results);
  if (!ok) return false;
  for (auto &p : patches_)
    if (p.slot.kind == SlotKind::value) frame.buffers[p.buffer] = frame.value_data[p.slot.index];
  return true;
}

}  // namespace jic
