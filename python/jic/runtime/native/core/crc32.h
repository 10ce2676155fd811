// The checksum of ZIP files (CRC-32 of ISO 3309), at the speed of memory where the CPU multiplies without carries.
#pragma once

#include <cstddef>
#include <cstdint>

namespace jic {

// Of `size` bytes that follow others whose checksum is `before`.
uint32_t crc32(const void *data, size_t size, uint32_t before = 0);

}  // namespace jic
