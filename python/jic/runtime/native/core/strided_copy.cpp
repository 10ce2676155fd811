#include "strided_copy.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"

namespace jic {
namespace {

constexpr int kMaxDims = 64;
constexpr int64_t kTile = 16;                    // rows and columns that are transposed at once: within the L1 cache
constexpr int64_t kShareFrom = int64_t(1) << 18;  // bytes from which threads pay

struct Plan {
  int ndim = 0;
  int64_t shape[kMaxDims], from[kMaxDims], to[kMaxDims];
  int run = -1;  // a dim, not the last, along which the source is contiguous; then the last two loops are tiled
};

template <class T> void copy_row(T *to, const T *from, int64_t n, int64_t stride) {
  if (stride == 1)
    std::memcpy(to, from, size_t(n) * sizeof(T));
  else if (stride == 0)
    std::fill_n(to, n, *from);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}

template <class T> void copy_tiles(T *to, const T *from, int64_t rows, int64_t columns, int64_t to_row, int64_t from_column) {
  for (int64_t r0 = 0; r0 < rows; r0 += kTile)
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      int64_t r1 = std::min(rows, r0 + kTile), c1 = std::min(columns, c0 + kTile);
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c) to[r * to_row + c] = from[r + c * from_column];
    }
}

template <class T> void copy_dim(const Plan &p, int dim, T *to, const T *from) {
  if (dim == p.ndim - 1) {
    if (p.run >= 0)
      copy_tiles(to, from, p.shape[p.run], p.shape[dim], p.to[p.run], p.from[dim]);
    else
      copy_row(to, from, p.shape[dim], p.from[dim]);
  } else if (dim == p.run) {
    copy_dim(p, dim + 1, to, from);
  } else {
    for (int64_t i = 0; i < p.shape[dim]; ++i) copy_dim(p, dim + 1, to + i * p.to[dim], from + i * p.from[dim]);
  }
}

template <class T> struct Job {
  const Plan *plan;
  T *to;
  const T *from;
  int split;
};

template <class T> void copy_share(void *context, int thread, int threads) {
  auto &job = *static_cast<Job<T> *>(context);
  Plan own = *job.plan;
  int64_t n = own.shape[job.split], begin = n * thread / threads, end = n * (thread + 1) / threads;
  if (begin == end) return;
  own.shape[job.split] = end - begin;
  copy_dim(own, 0, job.to + begin * own.to[job.split], job.from + begin * own.from[job.split]);
}

template <class T> void copy(const Plan &p, void *to, const void *from, int64_t bytes) {
  int split = int(std::max_element(p.shape, p.shape + p.ndim - (p.ndim > 1)) - p.shape);
  int threads = bytes < kShareFrom ? 1 : int(std::min<int64_t>(parallel_max_threads(), p.shape[split]));
  Job<T> job{&p, static_cast<T *>(to), static_cast<const T *>(from), split};
  parallel_run(threads, copy_share<T>, &job);
}

struct Wide {
  uint64_t low, high;
};

}  // namespace

void strided_copy(void *to, const void *from, int size, int ndim, const int64_t *shape, const int64_t *strides) noexcept {
  Plan p;
  int64_t count = 1;
  for (int d = 0; d < ndim; ++d) {
    count *= shape[d];
    if (shape[d] == 1) continue;
    // A dim that continues the one before it in the source is the same loop.
    if (p.ndim && p.from[p.ndim - 1] == strides[d] * shape[d]) {
      p.shape[p.ndim - 1] *= shape[d];
      p.from[p.ndim - 1] = strides[d];
    } else {
      p.shape[p.ndim] = shape[d];
      p.from[p.ndim++] = strides[d];
    }
  }
  if (count == 0) return;
  if (p.ndim == 0) {
    std::memcpy(to, from, size_t(size));
    return;
  }
  int64_t step = 1;
  for (int d = p.ndim - 1; d >= 0; --d) {
    p.to[d] = step;
    step *= p.shape[d];
  }
  if (p.from[p.ndim - 1] > 1)
    for (int d = 0; d < p.ndim - 1; ++d)
      if (p.from[d] == 1) p.run = d;
  int64_t bytes = count * size;
  switch (size) {
    case 1: return copy<uint8_t>(p, to, from, bytes);
    case 2: return copy<uint16_t>(p, to, from, bytes);
    case 4: return copy<uint32_t>(p, to, from, bytes);
    case 8: return copy<uint64_t>(p, to, from, bytes);
    case 16: return copy<Wide>(p, to, from, bytes);
  }
}

}  // namespace jic
