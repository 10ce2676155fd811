// A caching allocator for output tensors and copies of inputs.
//
// Memory fresh from the kernel costs a page fault every 4 KiB, which is more than a large elementwise kernel costs itself. Freed blocks
// are therefore kept, by size class, and handed out again; the total kept is bounded and the least recently freed go first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace jic {

struct PoolStats {
  uint64_t reused, fresh, live_bytes, cached_bytes, limit_bytes;
};

// `bytes` of memory aligned to 64 bytes; null when there is none. Any thread may free it.
void *pool_allocate(size_t bytes) noexcept;
void pool_free(void *data) noexcept;

void pool_set_limit(uint64_t bytes) noexcept;
void pool_trim() noexcept;
PoolStats pool_stats() noexcept;

}  // namespace jic
