// How the steps between aten calls run: on the calling thread, or on several that meet at barriers.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "parts.h"
#include "pool.h"
#include "program.h"

namespace jic {

std::atomic<int64_t> Thresholds::step{3000}, Thresholds::segment{8000}, Thresholds::steal{500000}, Thresholds::leave{20000};

namespace {

constexpr int64_t kChunks = 4;  // pieces of a thread's share that others may take
constexpr uint64_t kMillisecond = 1000000;

uint64_t now() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

struct SegmentRun {
  Program *program;
  Frame *frame;
  const Segment *segment;
};

// A step's whole work in a run, bounded so that sums do not overflow.
int64_t work_of(const Step &step) {
  double ns = double(step.cost) * double(step.times);
  return int64_t(std::clamp(ns, 0.0, 1e15));
}

}  // namespace

void Program::plan_segments() {
  Targets targets(steps.size());
  std::vector<char> alone(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    targets[i] = steps[i].to;
    alone[i] = steps[i].kind == StepKind::aten;
  }
  segment_at_.assign(steps.size(), -1);
  alone_end_.assign(steps.size() + 1, 0);
  for (Part part : closed_parts(0, steps.size(), targets, alone)) {
    Segment segment{part.begin, part.end};
    int64_t shared = 0;
    for (size_t k = part.begin; k < part.end; ++k) {
      Step &s = steps[k];
      s.parallel = s.kind == StepKind::launch && s.tasks > 1 && s.cost >= Thresholds::step;
      s.stealing = s.cost >= 2 * Thresholds::steal;
      segment.cost += work_of(s);
      if (s.parallel) segment.widest = std::max(segment.widest, s.tasks);
      if (s.parallel) shared += work_of(s);
    }
    // Each thread that joins costs about what half of the least work worth forking takes.
    segment.widest = std::min(segment.widest, shared / std::max<int64_t>(1, Thresholds::segment / 2));
    segment.parallel = segment.widest > 1 && shared >= Thresholds::segment;
    if (segment.parallel) {
      std::vector<char> joint(steps.size());
      for (size_t k = part.begin; k < part.end; ++k) joint[k] = steps[k].parallel;
      for (Part own : closed_parts(part.begin, part.end, targets, joint)) alone_end_[own.begin] = own.end;
    }
    segment_at_[part.begin] = int(segments_.size());
    segments_.push_back(segment);
  }
}

bool Program::run_segment(Frame &frame, const Segment &segment) {
  int threads = segment.parallel ? int(std::min<int64_t>(parallel_max_threads(), segment.widest)) : 1;
  if (scratch && frame.scratch_threads < threads) {
    pool_free(frame.scratch);
    frame.scratch_threads = 0;
    frame.scratch = static_cast<char *>(pool_allocate(size_t(scratch) * threads));
    if (!frame.scratch) return false;
    frame.scratch_threads = threads;
  }
  if (threads > 1) {
    if (frame.counter_threads < threads) {
      frame.counters.reset(new Counter[2 * threads]);
      frame.counter_threads = threads;
    }
    for (int i = 0; i < 2 * threads; ++i) frame.counters[i].next.store(0, std::memory_order_relaxed);
  }
  const bool leaves = segment.cost >= Thresholds::leave;
  if (leaves) frame.host->leave();
  if (threads > 1) {
    SegmentRun run{this, &frame, &segment};
    parallel_run(threads, segment_body, &run);
  } else {
    run_alone(frame, segment.begin, segment.end);
  }
  if (leaves || frame.looked) frame.host->enter();
  return true;
}

// All threads take the same way through the steps. Thread 0 runs what is not shared and makes the decisions at jumps; the others read them
// after a barrier, so that nobody looks at memory that thread 0 may be writing again.
void Program::segment_body(void *context, int thread, int threads) {
  auto &run = *static_cast<SegmentRun *>(context);
  Program &program = *run.program;
  Frame &frame = *run.frame;
  bool shared = false;  // others may still be in the last step
  bool fresh = false;   // thread 0 has written since the last barrier
  int64_t turn = 0, decision = 0;
  for (size_t i = run.segment->begin; i != run.segment->end;) {
    const Step &step = program.steps[i];
    if (threads <= 1) return program.run_alone(frame, i, run.segment->end);
    if (size_t end = program.alone_end_[i]) {
      if (shared) frame.barrier.wait(threads);
      if (thread == 0) program.run_alone(frame, i, end);
      shared = false;
      fresh = true;
      i = end;
    } else if (step.kind == StepKind::launch) {
      if (shared || fresh || frame.timed) frame.barrier.wait(threads);
      uint64_t start = frame.timed && thread == 0 ? now() : 0;
      program.run_share(frame, step, thread, threads, turn);
      if (frame.timed) {
        frame.barrier.wait(threads);
        if (thread == 0) frame.times[i].add(now() - start);
      }
      shared = true;
      fresh = false;
      ++i;
    } else if (step.kind == StepKind::jump && step.to > int64_t(i)) {
      if (frame.timed && thread == 0) frame.times[i].add(0);
      i = size_t(step.to);
    } else {
      if (shared) frame.barrier.wait(threads);
      int64_t &chosen = frame.decisions[decision++ & 1];
      if (thread == 0) {
        uint64_t start = frame.timed ? now() : 0;
        int64_t next = int64_t(program.follow(frame, step, i));
        if (frame.timed) frame.times[i].add(now() - start);
        chosen = frame.stopped() ? -1 : next;
      }
      frame.barrier.wait(threads);
      if (chosen < 0) return;
      shared = fresh = false;
      i = size_t(chosen);
    }
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

void Program::run_alone(Frame &frame, size_t begin, size_t end) {
  if (frame.stopped()) return;
  if (frame.timed)
    walk<true>(frame, begin, end);
  else
    walk<false>(frame, begin, end);
}

template <bool timed> void Program::walk(Frame &frame, size_t begin, size_t end) {
  for (size_t i = begin; i != end;) {
    const Step &step = steps[i];
    void **buffers = frame.buffers.data() + step.first;
    uint64_t start = timed ? now() : 0;
    size_t next = i + 1;
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
        if (status && frame.failed < 0) frame.failed = int(i);
        if (status) return;
        break;
      }
      case StepKind::bail:
        if (*static_cast<const char *>(buffers[0])) {
          frame.bailed = int(i);
          return;
        }
        break;
      case StepKind::set: std::memcpy(buffers[0], &step.value, 8); break;
      case StepKind::jump:
      case StepKind::branch:
      case StepKind::count:
        next = follow(frame, step, i);
        if (frame.interrupted) return;
        break;
      case StepKind::aten: break;
    }
    if (timed) frame.times[i].add(now() - start);
    i = next;
  }
}

size_t Program::follow(Frame &frame, const Step &step, size_t index) {
  void **buffers = frame.buffers.data() + step.first;
  bool jumps = true;
  if (step.kind == StepKind::branch) {
    jumps = !*static_cast<const char *>(buffers[0]);
  } else if (step.kind == StepKind::count) {
    int64_t count, limit;
    std::memcpy(&count, buffers[0], 8);
    std::memcpy(&limit, buffers[1], 8);
    count = int64_t(uint64_t(count) + 1);
    std::memcpy(buffers[0], &count, 8);
    jumps = count < limit;
  }
  if (!jumps) return index + 1;
  if (step.to <= int64_t(index) && --frame.ticks < 0) look_around(frame);
  return size_t(step.to);
}

void Program::look_around(Frame &frame) {
  uint64_t time = now();
  if (!frame.looked) {
    frame.asked = time;
  } else {
    uint64_t passed = time - frame.looked;
    if (passed < kMillisecond)
      frame.patience = std::min<int64_t>(frame.patience * 8, 1 << 16);
    else
      frame.patience = std::max<int64_t>(1, int64_t(double(frame.patience) * 5 * kMillisecond / double(passed)));
    frame.patience = std::min<int64_t>(frame.patience, 1 << 16);
  }
  frame.looked = time;
  frame.ticks = frame.patience;
  if (time - frame.asked < 5 * kMillisecond) return;
  frame.asked = time;
  frame.interrupted |= !frame.host->goes_on();
}

}  // namespace jic
