// Threads of the core's own, for processes without torch's OpenMP.
#pragma once

namespace jic {

// How many threads a run may use; at first as many as the process may run on.
int team_size() noexcept;

// Waits until the team is idle. At least 1.
void team_resize(int threads) noexcept;

// Calls body(context, thread, threads) on up to `threads` threads, all at the same time, and waits for them. With the team busy, in a forked
// child or inside such a call, or when the system gives no threads, that is the calling thread alone.
void team_run(int threads, void (*body)(void *context, int thread, int threads), void *context) noexcept;

}  // namespace jic
