// Shapes and strides of arrays in memory. Strides count elements and are not negative.
#pragma once

#include <cstdint>
#include <vector>

#include "element_types.h"

namespace jic {

struct Layout {
  const ElementType *element = nullptr;
  std::vector<int64_t> shape, strides;

  int64_t count() const;  // of elements
  int64_t bytes() const { return count() * element->size(); }
  int64_t reach() const;  // elements from the first to behind the last; 0 without elements
  bool same_strides(const int64_t *other) const;  // dims of size 1 aside
  bool row_major() const;
  bool distinct() const;  // no two indices lead to one element, as far as the order of strides tells
};

std::vector<int64_t> row_major_strides(const std::vector<int64_t> &shape);

// Copies an array into another one of the same dtype and shape.
void copy_array(void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides, const Layout &of);

}  // namespace jic
