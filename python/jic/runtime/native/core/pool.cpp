#include "pool.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>

namespace jic {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHeader = 64;  // keeps the data aligned
constexpr size_t kSmallest = 256;
constexpr size_t kHugePage = size_t(2) << 20;
constexpr int kClasses = 4 * 56;  // four sizes an octave

struct Block {
  Block *next_same;       // free list of its class
  Block *prev_same;
  Block *newer, *older;   // all free blocks, by the time they were freed
  size_t bytes;           // with the header
  int size_class;
  bool mapped;
};
static_assert(sizeof(Block) <= kHeader);

struct Pool {
  std::mutex mutex;
  Block *free[kClasses] = {};
  Block *newest = nullptr, *oldest = nullptr;
  uint64_t cached = 0, live = 0, limit, reused = 0, fresh = 0;

  Pool() {
    // A sixteenth of the machine's memory: large outputs are reused, and a process that runs many models does not hoard.
    uint64_t memory = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
    limit = std::clamp<uint64_t>(memory / 16, uint64_t(64) << 20, uint64_t(4) << 30);
  }
};

// Never destroyed: tensors may die after static destructors have run.
Pool &pool() {
  static Pool *instance = [] {
    static Pool *made = new Pool;
    pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); }, [] { made->mutex.unlock(); });
    return made;
  }();
  return *instance;
}

// The smallest class of at least `bytes`, and its size. Sizes are (4..7) * 2^k.
int class_of(size_t bytes, size_t *size) {
  bytes = std::max(bytes, kSmallest);
  int shift = 63 - __builtin_clzll(bytes) - 2;
  size_t quarter = (bytes + (size_t(1) << shift) - 1) >> shift;  // 4..8
  if (quarter == 8) {
    quarter = 4;
    ++shift;
  }
  *size = quarter << shift;
  return 4 * shift + int(quarter) - 4;
}

void unlink(Pool &p, Block *b) {
  (b->prev_same ? b->prev_same->next_same : p.free[b->size_class]) = b->next_same;
  if (b->next_same) b->next_same->prev_same = b->prev_same;
  (b->newer ? b->newer->older : p.newest) = b->older;
  (b->older ? b->older->newer : p.oldest) = b->newer;
  p.cached -= b->bytes;
}

void give_back(Block *b) {
  if (b->mapped)
    munmap(b, b->bytes);
  else
    std::free(b);
}

Block *make(size_t size, int size_class) {
  Block *b;
  bool mapped = size >= kHugePage;
  if (mapped) {
    // Over-map, then cut to an address that huge pages can start at.
    size = (size + kHugePage - 1) & ~(kHugePage - 1);
    size_t span = size + kHugePage;
    void *raw = mmap(nullptr, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    uintptr_t low = uintptr_t(raw), start = (low + kHugePage - 1) & ~uintptr_t(kHugePage - 1);
    if (start > low) munmap(raw, start - low);
    if (low + span > start + size) munmap(reinterpret_cast<void *>(start + size), low + span - start - size);
    b = reinterpret_cast<Block *>(start);
#ifdef MADV_HUGEPAGE
    madvise(b, size, MADV_HUGEPAGE);
#endif
  } else {
    void *raw = nullptr;
    if (posix_memalign(&raw, kAlign, size)) return nullptr;
    b = static_cast<Block *>(raw);
  }
  b->bytes = size;
  b->size_class = size_class;
  b->mapped = mapped;
  return b;
}

// Frees cached blocks, the least recently freed first, until at most `keep` bytes are cached.
void shrink(Pool &p, uint64_t keep) {
  while (p.cached > keep && p.oldest) {
    Block *victim = p.oldest;
    unlink(p, victim);
    give_back(victim);
  }
}

}  // namespace

void *pool_allocate(size_t bytes) noexcept {
  if (bytes > (size_t(1) << 52)) return nullptr;
  size_t size;
  int c = class_of(bytes + kHeader, &size);
  Pool &p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  Block *b = p.free[c];
  if (b) {
    unlink(p, b);
    ++p.reused;
  } else {
    b = make(size, c);
    if (!b) {
      shrink(p, 0);
      b = make(size, c);
    }
    if (!b) return nullptr;
    ++p.fresh;
  }
  p.live += b->bytes;
  return reinterpret_cast<char *>(b) + kHeader;
}

void pool_free(void *data) noexcept {
  if (!data) return;
  Block *b = reinterpret_cast<Block *>(static_cast<char *>(data) - kHeader);
  Pool &p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.live -= b->bytes;
  b->prev_same = nullptr;
  b->next_same = p.free[b->size_class];
  if (b->next_same) b->next_same->prev_same = b;
  p.free[b->size_class] = b;
  b->newer = nullptr;
  b->older = p.newest;
  (p.newest ? p.newest->newer : p.oldest) = b;
  p.newest = b;
  p.cached += b->bytes;
  shrink(p, p.limit);
}

void pool_set_limit(uint64_t bytes) noexcept {
  Pool &p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.limit = bytes;
  shrink(p, bytes);
}

void pool_trim() noexcept {
  Pool &p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  shrink(p, 0);
}

PoolStats pool_stats() noexcept {
  Pool &p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  return {p.reused, p.fresh, p.live, p.cached, p.limit};
}

}  // namespace jic
