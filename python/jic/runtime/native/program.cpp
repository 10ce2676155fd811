#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "pool.h"
#include "torch_api.h"

namespace jic {

std::atomic<int64_t> Thresholds::step{3000}, Thresholds::segment{8000}, Thresholds::steal{500000}, Thresholds::release_gil{20000};

namespace {

constexpr size_t kKeptFrames = 4;
constexpr int64_t kChunks = 4;  // pieces of a thread's share that others may take

uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

struct SegmentRun {
  Program *program;
  Frame *frame;
  const Segment *segment;
  bool timing;
};

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
  for (size_t i = 0; i < steps.size();) {
    if (steps[i].kind == StepKind::aten) {
      ++i;
      continue;
    }
    Segment segment{i, i};
    while (segment.end < steps.size() && steps[segment.end].kind != StepKind::aten) {
      Step &s = steps[segment.end++];
      s.parallel = s.kind == StepKind::launch && s.tasks > 1 && s.cost >= Thresholds::step;
      s.stealing = s.cost >= 2 * Thresholds::steal;
      segment.cost += s.cost;
      if (s.parallel) segment.widest = std::max(segment.widest, s.tasks);
    }
    int64_t shared = 0;
    for (size_t k = segment.begin; k < segment.end; ++k) shared += steps[k].parallel ? steps[k].cost : 0;
    // Each thread that joins costs about what half of the least work worth forking takes.
    segment.widest = std::min(segment.widest, shared / std::max<int64_t>(1, Thresholds::segment / 2));
    segment.parallel = segment.widest > 1 && shared >= Thresholds::segment;
    releases_gil_ |= segment.cost >= Thresholds::release_gil;
    segments_.push_back(segment);
    i = segment.end;
  }
  for (auto &s : steps) releases_gil_ |= s.kind == StepKind::aten;
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
  frame->times.assign(steps.size(), 0);
  return frame;
}

void Program::give_frame(std::unique_ptr<Frame> frame) {
  for (auto &v : frame->values) Py_CLEAR(v);
  std::lock_guard<std::mutex> lock(mutex_);
  if (frames_.size() < kKeptFrames) frames_.push_back(std::move(frame));
}

bool Program::run(void *const *in, void *const *out) {
  auto frame = take_frame();
  if (!frame) {
    PyErr_NoMemory();
    return false;
  }
  for (auto &p : patches_)
    if (p.slot.kind != SlotKind::value) frame->buffers[p.buffer] = data_of(*frame, p.slot, in, out);
  frame->failed = -1;
  bool ok = run_steps(*frame, in, out);
  if (ok && timing) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < steps.size(); ++i) {
      auto &t = times_[i];
      ++t.count;
      t.total += frame->times[i];
      t.least = std::min(t.least, frame->times[i]);
    }
  }
  give_frame(std::move(frame));
  return ok;
}

bool Program::run_steps(Frame &frame, void *const *in, void *const *out) {
  auto segment = segments_.begin();
  for (size_t i = 0; i < steps.size();) {
    if (steps[i].kind == StepKind::aten) {
      uint64_t start = timing ? now() : 0;
      if (!run_aten(frame, steps[i], i, in, out)) return false;
      if (start) frame.times[i] = now() - start;
      ++i;
      continue;
    }
    if (!run_segment(frame, *segment)) return false;
    i = segment->end;
    ++segment;
    if (frame.failed >= 0) {
      PyErr_SetString(PyExc_IndexError, steps[frame.failed].message.c_str());
      return false;
    }
  }
  return true;
}

bool Program::run_segment(Frame &frame, const Segment &segment) {
  int threads = segment.parallel ? int(std::min<int64_t>(parallel_max_threads(), segment.widest)) : 1;
  if (scratch && frame.scratch_threads < threads) {
    pool_free(frame.scratch);
    frame.scratch_threads = 0;
    frame.scratch = static_cast<char *>(pool_allocate(size_t(scratch) * threads));
    if (!frame.scratch) {
      PyErr_NoMemory();
      return false;
    }
    frame.scratch_threads = threads;
  }
  if (threads > 1) {
    if (frame.counter_threads < threads) {
      frame.counters.reset(new Counter[2 * threads]);
      frame.counter_threads = threads;
    }
    for (int i = 0; i < 2 * threads; ++i) frame.counters[i].next.store(0, std::memory_order_relaxed);
  }
  SegmentRun run{this, &frame, &segment, timing};
  if (segment.cost >= Thresholds::release_gil) {
    PyThreadState *state = PyEval_SaveThread();
    parallel_run(threads, segment_body, &run);
    PyEval_RestoreThread(state);
  } else {
    parallel_run(threads, segment_body, &run);
  }
  return true;
}

void Program::segment_body(void *context, int thread, int threads) {
  auto &run = *static_cast<SegmentRun *>(context);
  Program &program = *run.program;
  Frame &frame = *run.frame;
  bool previous_shared = false;
  int64_t turn = 0;
  for (size_t i = run.segment->begin; i < run.segment->end; ++i) {
    const Step &step = program.steps[i];
    bool shared = step.parallel && threads > 1;
    // Two steps of thread 0 alone follow each other in program order; in all other cases the later one must see all of the earlier one.
    if (i > run.segment->begin && (shared || previous_shared || run.timing)) frame.barrier.wait(threads);
    uint64_t start = run.timing && thread == 0 ? now() : 0;
    if (shared)
      program.run_share(frame, step, thread, threads, turn);
    else if (thread == 0)
      program.run_step(frame, step, i);
    if (run.timing) {
      if (shared) frame.barrier.wait(threads);
      if (thread == 0) frame.times[i] = now() - start;
    }
    previous_shared = shared;
  }
}

void Program::run_share(Frame &frame, const Step &step, int thread, int threads, int64_t &turn) {
  void **buffers = frame.buffers.data() + step.first;
  void *own_scratch = frame.scratch ? frame.scratch + size_t(scratch) * thread : nullptr;
  auto first = [&](int t) { return int64_t(__int128(step.tasks) * t / threads); };
  if (!step.stealing || step.tasks < 2 * kChunks * threads) {
    int64_t begin = first(thread), end = first(thread + 1);
    if (begin < end) step.kernel(buffers, begin, end, own_scratch);
    return;
  }
  // Each thread works through its own share in pieces, then takes pieces of others' shares: a core that was taken away holds nobody up.
  // Two sets of counters take turns. The set of the step before is free again (all have passed a barrier since), so each clears its own.
  Counter *counters = frame.counters.get() + (turn & 1) * threads;
  frame.counters[((turn + 1) & 1) * threads + thread].next.store(0, std::memory_order_relaxed);
  ++turn;
  for (int k = 0; k < threads; ++k) {
    int owner = (thread + k) % threads;
    int64_t begin = first(owner), end = first(owner + 1), chunk = std::max<int64_t>(1, (end - begin + kChunks - 1) / kChunks);
    for (;;) {
      int64_t from = begin + counters[owner].next.fetch_add(chunk, std::memory_order_relaxed);
      if (from >= end) break;
      step.kernel(buffers, from, std::min(from + chunk, end), own_scratch);
    }
  }
}

void Program::run_step(Frame &frame, const Step &step, size_t index) {
  void **buffers = frame.buffers.data() + step.first;
  switch (step.kind) {
    case StepKind::launch:
      if (step.tasks > 0) step.kernel(buffers, 0, step.tasks, frame.scratch);
      break;
    case StepKind::zero: std::memset(buffers[0], 0, size_t(step.bytes)); break;
    case StepKind::copy:
      if (step.bytes) std::memcpy(buffers[1], buffers[0], size_t(step.bytes));
      break;
    case StepKind::check: {
      int64_t status;
      std::memcpy(&status, buffers[0], 8);
      if (status && frame.failed < 0) frame.failed = int(index);
      break;
    }
    case StepKind::aten: break;
  }
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
