#include "parts.h"

namespace jic {

std::vector<Part> closed_parts(size_t begin, size_t end, const Targets &targets, std::vector<char> &alone) {
  std::vector<char> entered(end + 1, 0);  // by jumps that stand alone
  for (size_t i = begin; i < end; ++i)
    if (alone[i] && targets[i] >= 0 && size_t(targets[i]) <= end) entered[targets[i]] = 1;
  std::vector<Part> parts;
  for (bool changed = true; changed;) {
    changed = false;
    parts.clear();
    for (size_t i = begin; i < end; ++i) {
      if (alone[i]) continue;
      if (parts.empty() || parts.back().end != i || entered[i]) parts.push_back({i, i});
      parts.back().end = i + 1;
    }
    for (auto &part : parts)
      for (size_t i = part.begin; i < part.end; ++i) {
        if (targets[i] < 0) continue;
        size_t to = size_t(targets[i]);
        if (to >= part.begin && to <= part.end) continue;
        alone[i] = 1;
        if (to >= begin && to <= end) entered[to] = 1;
        changed = true;
      }
  }
  return parts;
}

}  // namespace jic
