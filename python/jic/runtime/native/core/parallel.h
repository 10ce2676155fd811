// Runs a function on several threads, and lets them meet inside: on the core's own, or on those of torch's OpenMP.
#pragma once

#include <atomic>
#include <cstdint>

namespace jic {

// Tells the core that the calling thread only waits.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// From here on the threads are those of torch's OpenMP runtime; `path` is its file, or null to take the one visible in the process.
// Without one everything runs on the calling thread. Returns whether threads are available.
bool parallel_use_openmp(const char *path) noexcept;

// How many threads may be used here; 1 inside another parallel region.
int parallel_max_threads() noexcept;
void parallel_set_threads(int threads) noexcept;

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
