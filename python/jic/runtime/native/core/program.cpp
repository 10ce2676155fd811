#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "pool.h"

namespace jic {

namespace {

constexpr size_t kKeptFrames = 4;

uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

Frame::~Frame() {
  pool_free(workspace);
  pool_free(scratch);
}

Program::~Program() {
  frames_.clear();
  pool_free(constant_memory);
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
    case SlotKind::value: return frame.values[slot.index];
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
  frame->buffers.assign(slots.size(), nullptr);
  for (size_t i = 0; i < slots.size(); ++i)
    if (slots[i].kind == SlotKind::constant || slots[i].kind == SlotKind::workspace)
      frame->buffers[i] = data_of(*frame, slots[i], nullptr, nullptr);
  return frame;
}

void Program::give_frame(std::unique_ptr<Frame> frame) {
  frame->host = nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  if (frames_.size() < kKeptFrames) frames_.push_back(std::move(frame));
}

Outcome Program::run(void *const *in, void *const *out, Host &host, const Step **bail) {
  auto frame = take_frame();
  if (!frame) return Outcome::no_memory;
  for (auto &p : patches_)
    if (p.slot.kind != SlotKind::value) frame->buffers[p.buffer] = data_of(*frame, p.slot, in, out);
  frame->host = &host;
  frame->failed = frame->bailed = -1;
  frame->interrupted = false;
  frame->ticks = 0;
  frame->patience = 1;
  frame->looked = 0;
  frame->timed = timing;
  if (frame->timed) frame->times.assign(steps.size(), {});
  Outcome outcome = run_steps(*frame);
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

Outcome Program::run_steps(Frame &frame) {
  for (size_t i = 0; i < steps.size();) {
    if (steps[i].kind == StepKind::aten) {
      uint64_t start = frame.timed ? now() : 0;
      if (!run_aten(frame, steps[i], i)) return Outcome::stopped;
      if (frame.timed) frame.times[i].add(now() - start);
      ++i;
    } else if (int number = segment_at_[i]; number >= 0) {
      if (!run_segment(frame, segments_[number])) return Outcome::no_memory;
      i = segments_[number].end;
    } else {
      uint64_t start = frame.timed ? now() : 0;
      size_t next = follow(frame, steps[i], i);  // a jump around an aten call
      if (frame.timed) frame.times[i].add(now() - start);
      i = next;
      frame.host->enter();
    }
    if (frame.interrupted) return Outcome::stopped;
    if (frame.bailed >= 0 || frame.failed >= 0) return Outcome::bailed;
  }
  return Outcome::done;
}

bool Program::run_aten(Frame &frame, const Step &step, size_t index) {
  std::vector<void *> results(step.results.size());
  if (!frame.host->call(index, frame.buffers.data() + step.first, results.data())) return false;
  for (size_t k = 0; k < results.size(); ++k) frame.values[step.results[k]] = results[k];
  for (auto &p : patches_)
    if (p.slot.kind == SlotKind::value) frame.buffers[p.buffer] = frame.values[p.slot.index];
  return true;
}

}  // namespace jic
