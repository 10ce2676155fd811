#include "parallel.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include "thread_team.h"

namespace jic {
namespace {

struct OpenMP {
  void (*parallel)(void (*)(void *), void *, unsigned, unsigned) = nullptr;
  int (*thread_num)() = nullptr;
  int (*num_threads)() = nullptr;
  int (*max_threads)() = nullptr;
  int (*in_parallel)() = nullptr;
  void (*set_threads)(int) = nullptr;
} omp;

enum class Threads { own, openmp, none } threads_from = Threads::own;

template <class F> void look_up(void *library, const char *name, F *into) {
  *into = reinterpret_cast<F>(dlsym(library ? library : RTLD_DEFAULT, name));
}

// A forked child has none of its parent's threads, and libgomp would wait for them for ever.
std::atomic<bool> forked{false};

struct Call {
  void (*body)(void *, int, int);
  void *context;
  int threads;
};

}  // namespace

bool parallel_use_openmp(const char *path) noexcept {
  void *library = path ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  OpenMP found;
  look_up(library, "GOMP_parallel", &found.parallel);
  look_up(library, "omp_get_thread_num", &found.thread_num);
  look_up(library, "omp_get_num_threads", &found.num_threads);
  look_up(library, "omp_get_max_threads", &found.max_threads);
  look_up(library, "omp_in_parallel", &found.in_parallel);
  look_up(library, "omp_set_num_threads", &found.set_threads);
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
  (void)registered;
  bool complete = found.parallel && found.thread_num && found.num_threads && found.max_threads && found.in_parallel && found.set_threads;
  omp = complete ? found : OpenMP{};
  threads_from = complete ? Threads::openmp : Threads::none;
  return complete;
}

int parallel_max_threads() noexcept {
  if (threads_from == Threads::own) return team_size();
  if (!omp.parallel || forked || omp.in_parallel()) return 1;
  int n = omp.max_threads();
  return n < 1 ? 1 : n;
}

void parallel_set_threads(int threads) noexcept {
  if (threads_from == Threads::own)
    team_resize(threads);
  else if (omp.set_threads)
    omp.set_threads(threads < 1 ? 1 : threads);
}

void parallel_run(int threads, void (*body)(void *, int, int), void *context) noexcept {
  if (threads_from == Threads::own) return team_run(threads, body, context);
  if (threads <= 1 || !omp.parallel) return body(context, 0, 1);
  Call call{body, context, threads};
  // The whole team comes, as in ATen: libgomp ends the threads that a smaller team leaves over, and starting them again is slow.
  omp.parallel(
      [](void *data) {
        auto *c = static_cast<Call *>(data);
        int thread = omp.thread_num(), threads = omp.num_threads();
        if (threads > c->threads) threads = c->threads;
        if (thread < threads) c->body(c->context, thread, threads);
      },
      &call, 0, 0);
}

void Barrier::wait(int threads) noexcept {
  if (threads <= 1) return;
  uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
    if (spins < 2000)
      relax();
    else
      sched_yield();
  }
}

}  // namespace jic
