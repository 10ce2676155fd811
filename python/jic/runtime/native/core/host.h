// What a run asks of whoever started it.
#pragma once

#include <cstddef>

namespace jic {

// All of it is called on the thread that called `Program::run`. The defaults suit a host without locks, signals and ATen.
class Host {
 public:
  virtual ~Host() = default;

  // Work of some length begins: locks that others could want are let go. `enter` takes them again, if they were let go.
  virtual void leave() noexcept {}
  virtual void enter() noexcept {}

  // Asked about every 5 ms, where a run jumps back: false ends the run. May leave.
  virtual bool goes_on() noexcept { return true; }

  // Does the program's step `step`, which ATen runs: reads `operands`, puts where the results are into `results`. That
  // memory stays as it is until the step is called again or the run ends. False ends the run.
  virtual bool call(size_t step, void *const *operands, void **results) noexcept {
    (void)step, (void)operands, (void)results;
    return false;
  }
};

}  // namespace jic
