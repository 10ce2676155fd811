// Copies a strided array into contiguous memory.
#pragma once

#include <cstdint>

namespace jic {

// `strides` in elements, none negative; a stride of 0 repeats. `size` is the element's bytes: 1, 2, 4, 8 or 16.
// Large copies are shared among threads.
void strided_copy(void *to, const void *from, int size, int ndim, const int64_t *shape, const int64_t *strides) noexcept;

}  // namespace jic
