// A compiled program: kernels, constants and the steps that run them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "elf.h"
#include "host.h"
#include "parallel.h"

namespace jic {

enum class SlotKind : int { input, output, constant, workspace, value };

struct Slot {
  SlotKind kind;
  int64_t index;  // of the input, output, constant or value; the byte offset in the workspace
};

enum class StepKind : int { launch, zero, check, copy, aten, jump, branch, set, count, bail };

struct Step {
  StepKind kind;
  using Kernel = void (*)(void **buffers, int64_t begin, int64_t end, void *scratch);
  Kernel kernel = nullptr;
  int64_t first = 0;    // of this step's buffers in Frame::buffers
  int64_t buffers = 0;  // how many they are
  int64_t tasks = 0, cost = 0, bytes = 0;
  int64_t to = -1;     // jump, branch, count: the step to go to
  int64_t value = 0;   // set
  int64_t times = 1;   // how often a run executes it, about
  bool parallel = false;
  bool stealing = false;
  std::string message;            // check, bail
  std::vector<int64_t> results;  // aten: value indices
};

// Steps without an aten call that control enters at the front only: one fork, or none when the work is too small to share.
struct Segment {
  size_t begin, end;
  int64_t cost = 0, widest = 0;  // widest: the number of threads from which more do not help
  bool parallel = false;
};

struct StepTime {
  uint64_t count = 0, total = 0, least = ~uint64_t(0);
  void add(uint64_t t) {
    ++count;
    total += t;
    if (t < least) least = t;
  }
};

struct Counter {
  alignas(64) std::atomic<int64_t> next{0};
};

// Memory of one run in progress.
struct Frame {
  Host *host = nullptr;
  char *workspace = nullptr, *scratch = nullptr;
  int scratch_threads = 0;
  std::vector<void *> buffers;
  std::vector<void *> values;
  std::unique_ptr<Counter[]> counters;
  int counter_threads = 0;
  Barrier barrier;
  int64_t decisions[2] = {0, 0};  // the steps that thread 0 chose to go on with, by turns
  bool timed = false;
  std::vector<StepTime> times;
  int failed = -1;  // the first check that failed
  int bailed = -1;  // the bail step that gave up
  bool interrupted = false;  // the host wants the run to end
  // The calling thread asks the host now and then when it jumps back.
  int64_t ticks = 0, patience = 1;  // jumps back until the next look
  uint64_t looked = 0, asked = 0;
  bool stopped() const { return failed >= 0 || bailed >= 0 || interrupted; }
  ~Frame();
};

struct Thresholds {
  // From which work (in ns on one core) threads are asked. Measured on two cores: a fork and join costs 2.5 us while the threads still
  // spin, a barrier 0.1 us; 8 us of work forked took 6.8 us. `leave`: from which the host is told.
  static std::atomic<int64_t> step, segment, steal, leave;
};

enum class Outcome {
  done,
  bailed,     // the outputs are worth nothing, and the caller has to do without the program
  stopped,    // by the host, which knows why
  no_memory,
};

class Program {
 public:
  ~Program();
  // Runs all steps. `bail` gets the step that gave up: a bail or a failed check. Threads may run one program at the same time.
  Outcome run(void *const *inputs, void *const *outputs, Host &host, const Step **bail);

  std::vector<Step> steps;
  int64_t inputs = 0, outputs = 0, values = 0, workspace = 0, scratch = 0;
  std::vector<Slot> slots;  // of all steps' buffers, in Frame::buffers' order
  std::vector<char *> constants;
  std::unique_ptr<LoadedObject> code;
  char *constant_memory = nullptr;  // from the pool

  void finish();  // after all fields are set: plans segments and patches
  std::atomic<bool> timing{false};
  std::vector<StepTime> times();
  void reset_times();

 private:
  struct Patch {
    int64_t buffer;
    Slot slot;
  };
  std::unique_ptr<Frame> take_frame();
  void give_frame(std::unique_ptr<Frame> frame);
  Outcome run_steps(Frame &frame);
  bool run_aten(Frame &frame, const Step &step, size_t index);
  void *data_of(const Frame &frame, Slot slot, void *const *inputs, void *const *outputs) const;

  // segments.cpp
  void plan_segments();
  bool run_segment(Frame &frame, const Segment &segment);
  static void segment_body(void *context, int thread, int threads);
  void run_alone(Frame &frame, size_t begin, size_t end);
  template <bool timed> void walk(Frame &frame, size_t begin, size_t end);
  void run_share(Frame &frame, const Step &step, int thread, int threads, int64_t &turn);
  // The step after a jump, branch or count; the end of the program's steps stands behind them all.
  size_t follow(Frame &frame, const Step &step, size_t index);
  // Called at jumps back: marks the frame as interrupted when the run has to stop.
  void look_around(Frame &frame);

  std::vector<Segment> segments_;
  std::vector<int> segment_at_;    // the segment that begins at a step, or -1
  std::vector<size_t> alone_end_;  // where the steps end that thread 0 runs alone from this one on; 0: it is not the first of such
  std::vector<Patch> patches_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<StepTime> times_;
};

}  // namespace jic
