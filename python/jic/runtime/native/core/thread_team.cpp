#include "thread_team.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "parallel.h"

namespace jic {
namespace {

// How long a thread looks for the next work before it sleeps: calls that follow each other closely find it awake.
constexpr auto kAwake = std::chrono::microseconds(200);

constexpr uint64_t kMostThreads = 1 << 12;  // a power of two

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::clamp(CPU_COUNT(&set), 1, int(kMostThreads) - 1);
  return std::clamp(int(std::thread::hardware_concurrency()), 1, int(kMostThreads) - 1);
}

thread_local bool inside = false;  // a body that team_run called

struct Team {
  std::mutex use;  // held during a run
  std::mutex sleep;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  std::atomic<int> size{processors()};

  void (*body)(void *, int, int) = nullptr;
  void *context = nullptr;
  // What the present work is: a count that goes up with each, and in the low bits how many threads do it. Changed under `sleep`. Both are
  // in one word because a worker that has no part in the work is not waited for: it may look late.
  std::atomic<uint64_t> work{0};
  std::atomic<int> busy{0};

  void serve(int thread, uint64_t seen) {
    inside = true;
    for (;;) {
      seen = next(seen);
      int threads = int(seen & (kMostThreads - 1));
      if (!threads) return;
      if (thread < threads) {
        body(context, thread, threads);
        busy.fetch_sub(1, std::memory_order_release);
      }
    }
  }

  uint64_t next(uint64_t seen) {
    auto until = std::chrono::steady_clock::now() + kAwake;
    do {
      for (int i = 0; i < 100; ++i) {
        if (work.load(std::memory_order_acquire) != seen) return work.load(std::memory_order_acquire);
        relax();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock<std::mutex> lock(sleep);
    wake.wait(lock, [&] { return work.load(std::memory_order_relaxed) != seen; });
    return work.load(std::memory_order_relaxed);
  }

  // 0 threads: the workers end.
  void announce(int threads) {
    {
      std::lock_guard<std::mutex> lock(sleep);
      uint64_t count = work.load(std::memory_order_relaxed) / kMostThreads + 1;
      work.store(count * kMostThreads + uint64_t(threads), std::memory_order_release);
    }
    wake.notify_all();
  }

  // Workers 1 … count. Fewer if the system gives no more.
  void hire(int count) {
    while (int(workers.size()) < count) {
      try {
        int thread = int(workers.size()) + 1;
        uint64_t seen = work.load(std::memory_order_relaxed);
        workers.emplace_back([this, thread, seen] { serve(thread, seen); });
      } catch (const std::exception &) {
        return;
      }
    }
  }

  void dismiss() {
    if (workers.empty()) return;
    announce(0);
    for (auto &w : workers) w.join();
    workers.clear();
  }
};

// A forked child has none of its parent's threads, and its copy of the locks may be held for ever.
std::atomic<bool> forked{false};
// Never destroyed: threads wait in it until the process ends.
Team &team() {
  static Team *made = [] {
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
    return new Team;
  }();
  return *made;
}

}  // namespace

int team_size() noexcept { return inside || forked ? 1 : team().size.load(std::memory_order_relaxed); }

void team_resize(int threads) noexcept {
  if (forked) return;
  Team &t = team();
  std::lock_guard<std::mutex> lock(t.use);
  t.size = std::clamp(threads, 1, int(kMostThreads) - 1);
  if (int(t.workers.size()) >= t.size) t.dismiss();
}

void team_run(int threads, void (*body)(void *, int, int), void *context) noexcept {
  if (threads <= 1 || inside || forked) return body(context, 0, 1);
  Team &t = team();
  std::unique_lock<std::mutex> lock(t.use, std::try_to_lock);
  if (!lock) return body(context, 0, 1);
  t.hire(threads - 1);
  threads = std::min(threads, int(t.workers.size()) + 1);
  if (threads <= 1) {
    lock.unlock();
    return body(context, 0, 1);
  }
  t.body = body;
  t.context = context;
  t.busy.store(threads - 1, std::memory_order_relaxed);
  t.announce(threads);
  inside = true;
  body(context, 0, threads);
  inside = false;
  for (int spins = 0; t.busy.load(std::memory_order_acquire); ++spins) {
    if (spins < 2000)
      relax();
    else
      sched_yield();
  }
}

}  // namespace jic
