// Runs a function on torch's own OpenMP threads, and lets them meet inside.
#pragma once

#include <atomic>
#include <cstdint>

namespace jic {

// Finds the OpenMP runtime that torch uses; `path` is its file, or null to take the one visible in the process.
// Without one everything runs on the calling thread. Returns whether threads are available.
bool parallel_initialize(const char *path) noexcept;

// How many threads torch allows here; 1 inside another parallel region.
int parallel_max_threads() noexcept;

// Calls body(context, thread, threads) on up to `threads` threads, and waits for all.
void parallel_run(int threads, void (*body)(void *context, int thread, int threads), void *context) noexcept;

// A barrier for the threads of one parallel_run. It spins first, since steps are microseconds apart, then yields: the cores may be taken.
class Barrier {
 public:
  void wait(int threads) noexcept;

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
};

}  // namespace jic
