// The dtypes of buffers.
#pragma once

#include <cstdint>
#include <string_view>

#include "jic.h"

namespace jic {

struct ElementType {
  const char *name;  // torch's
  jic_dtype dtype;
  uint8_t code, bits;  // DLPack's

  int size() const { return bits / 8; }
};

// All there are, by `jic_dtype`.
inline constexpr ElementType kElementTypes[] = {
    {"bool", JIC_BOOL, 6, 8},           {"uint8", JIC_UINT8, 1, 8},       {"uint16", JIC_UINT16, 1, 16},
    {"uint32", JIC_UINT32, 1, 32},      {"uint64", JIC_UINT64, 1, 64},    {"int8", JIC_INT8, 0, 8},
    {"int16", JIC_INT16, 0, 16},        {"int32", JIC_INT32, 0, 32},      {"int64", JIC_INT64, 0, 64},
    {"float16", JIC_FLOAT16, 2, 16},    {"bfloat16", JIC_BFLOAT16, 4, 16}, {"float32", JIC_FLOAT32, 2, 32},
    {"float64", JIC_FLOAT64, 2, 64},    {"complex64", JIC_COMPLEX64, 5, 64}, {"complex128", JIC_COMPLEX128, 5, 128},
};

// Null if there is none of that name.
inline const ElementType *element_type(std::string_view name) {
  for (auto &type : kElementTypes)
    if (name == type.name) return &type;
  return nullptr;
}

}  // namespace jic
