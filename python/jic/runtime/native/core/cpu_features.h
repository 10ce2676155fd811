// Which of LLVM's CPU features this machine has, asked without LLVM.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jic {

// The features that `features` asks for and this machine lacks. `features` is a CPU's name and LLVM's feature list, as in
// "znver4 +avx2,-amx-tile". Empty where the system does not tell what it has.
std::vector<std::string> missing_features(std::string_view features);

// Linux' names of the CPU's features, sorted.
const std::vector<std::string> &cpu_flags();

std::string joined(const std::vector<std::string> &names);  // "a, b"

}  // namespace jic
