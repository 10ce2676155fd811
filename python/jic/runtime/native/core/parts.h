// How steps with jumps are cut into pieces that run by themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace jic {

// One step's jump: where it may go besides the next step (-1: nowhere).
using Targets = std::vector<int64_t>;

struct Part {
  size_t begin, end;
};

// Cuts [begin, end) into parts that control enters only at the front and leaves only to the step behind the last one. Steps marked in
// `alone` belong to no part, and neither do jumps that lead out of one; the latter are marked, too. Parts are as long as possible.
std::vector<Part> closed_parts(size_t begin, size_t end, const Targets &targets, std::vector<char> &alone);

}  // namespace jic
