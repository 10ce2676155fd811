#include "layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "strided_copy.h"

namespace jic {
namespace {

void scatter(char *to, const int64_t *to_strides, const char *from, const int64_t *from_strides, const Layout &of, size_t dim) {
  const int64_t size = of.element->size();
  if (dim == of.shape.size()) {
    std::memcpy(to, from, size_t(size));
    return;
  }
  for (int64_t i = 0; i < of.shape[dim]; ++i)
    scatter(to + i * to_strides[dim] * size, to_strides, from + i * from_strides[dim] * size, from_strides, of, dim + 1);
}

}  // namespace

int64_t Layout::count() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), [](int64_t a, int64_t b) { return a * b; });
}

int64_t Layout::reach() const {
  if (count() == 0) return 0;
  int64_t last = 0;
  for (size_t d = 0; d < shape.size(); ++d) last += (shape[d] - 1) * strides[d];
  return last + 1;
}

bool Layout::same_strides(const int64_t *other) const {
  if (count() == 0) return true;
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] != 1 && strides[d] != other[d]) return false;
  return true;
}

bool Layout::row_major() const { return same_strides(row_major_strides(shape).data()); }

bool Layout::distinct() const {
  if (count() == 0) return true;
  std::vector<size_t> order(shape.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strides[a] < strides[b]; });
  int64_t reached = 1;
  for (size_t d : order) {
    if (shape[d] == 1) continue;
    if (strides[d] < reached) return false;
    reached += (shape[d] - 1) * strides[d];
  }
  return true;
}

std::vector<int64_t> row_major_strides(const std::vector<int64_t> &shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<int64_t>(shape[d], 1);
  }
  return strides;
}

void copy_array(void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides, const Layout &of) {
  if (of.count() == 0) return;
  if (of.same_strides(to_strides) && of.same_strides(from_strides) && of.distinct() && of.reach() == of.count())
    std::memcpy(to, from, size_t(of.bytes()));
  else if (Layout{of.element, of.shape, row_major_strides(of.shape)}.same_strides(to_strides))
    strided_copy(to, from, of.element->size(), int(of.shape.size()), of.shape.data(), from_strides);
  else
    scatter(static_cast<char *>(to), to_strides, static_cast<const char *>(from), from_strides, of, 0);
}

}  // namespace jic
