// A compiled program: kernels, constants and the steps that run them.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dlpack.h"
#include "elf.h"
#include "parallel.h"

namespace jic {

enum class SlotKind : int { input, output, constant, workspace, value };

struct Slot {
  SlotKind kind;
  int64_t index;  // of the input, output, constant or value; the byte offset in the workspace
};

struct TensorType {
  DLDataType dtype;
  std::vector<int64_t> shape;
};

enum class StepKind : int { launch, zero, check, copy, aten };

struct Step {
  StepKind kind;
  using Kernel = void (*)(void **buffers, int64_t begin, int64_t end, void *scratch);
  Kernel kernel = nullptr;
  int64_t first = 0;  // of this step's buffers in Frame::buffers
  int64_t tasks = 0, cost = 0, bytes = 0;
  bool parallel = false;
  bool stealing = false;
  std::string message;                // check
  std::vector<Slot> operands;         // aten
  std::vector<TensorType> types;      // aten: of the operands
  std::vector<int64_t> results;       // aten: value indices
};

// Steps between two aten calls: one fork, or none when the work is too small to share.
struct Segment {
  size_t begin, end;
  int64_t cost = 0, widest = 0;  // widest: the number of threads from which more do not help
  bool parallel = false;
};

struct StepTime {
  uint64_t count = 0, total = 0, least = ~uint64_t(0);
};

struct Counter {
  alignas(64) std::atomic<int64_t> next{0};
};

// Memory of one run in progress.
struct Frame {
  char *workspace = nullptr, *scratch = nullptr;
  int scratch_threads = 0;
  std::vector<void *> buffers;
  std::vector<PyObject *> values;
  std::vector<void *> value_data;
  std::unique_ptr<Counter[]> counters;
  int counter_threads = 0;
  Barrier barrier;
  std::vector<uint64_t> times;
  int failed = -1;  // the first check that failed
  ~Frame();
};

struct Thresholds {
  // From which work (in ns on one core) threads are asked. Measured on two cores: a fork and join costs 2.5 us while the threads still
  // spin, a barrier 0.1 us; 8 us of work forked took 6.8 us.
  static std::atomic<int64_t> step, segment, steal, release_gil;
};

class Program {
 public:
  ~Program();
  // Runs all steps. The GIL must be held; it is released during long work. False with a Python error set.
  bool run(void *const *inputs, void *const *outputs);

  std::vector<Step> steps;
  int64_t inputs = 0, outputs = 0, values = 0, workspace = 0, scratch = 0;
  std::vector<Slot> slots;  // of all steps' buffers, in Frame::buffers' order
  std::vector<char *> constants;
  PyObject *call_aten = nullptr;  // (step, operands) -> tuple of contiguous tensors
  std::unique_ptr<LoadedObject> code;
  char *constant_memory = nullptr;

  void finish();  // after all fields are set: plans segments and patches
  bool releases_gil() const { return releases_gil_; }
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
  bool run_steps(Frame &frame, void *const *inputs, void *const *outputs);
  bool run_segment(Frame &frame, const Segment &segment);
  bool run_aten(Frame &frame, const Step &step, size_t index, void *const *inputs, void *const *outputs);
  void run_step(Frame &frame, const Step &step, size_t index);
  void run_share(Frame &frame, const Step &step, int thread, int threads, int64_t &turn);
  void *data_of(const Frame &frame, Slot slot, void *const *inputs, void *const *outputs) const;
  static void segment_body(void *context, int thread, int threads);

  std::vector<Segment> segments_;
  std::vector<Patch> patches_;
  bool releases_gil_ = false;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<StepTime> times_;
};

}  // namespace jic
