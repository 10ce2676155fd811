#include "cpu_features.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace jic {
namespace {

// LLVM's name of a feature whose instructions a compiler may choose by itself, and Linux' name of it.
struct Feature {
  const char *llvm, *linux_name;
};

#if defined(__x86_64__)
constexpr Feature kFeatures[] = {
    {"sse4.1", "sse4_1"},
    {"sse4.2", "sse4_2"},
    {"ssse3", "ssse3"},
    {"sse4a", "sse4a"},
    {"avx", "avx"},
    {"avx2", "avx2"},
    {"fma", "fma"},
    {"fma4", "fma4"},
    {"xop", "xop"},
    {"tbm", "tbm"},
    {"f16c", "f16c"},
    {"bmi", "bmi1"},
    {"bmi1", "bmi1"},
    {"bmi2", "bmi2"},
    {"lzcnt", "abm"},
    {"popcnt", "popcnt"},
    {"movbe", "movbe"},
    {"adx", "adx"},
    {"aes", "aes"},
    {"vaes", "vaes"},
    {"pclmul", "pclmulqdq"},
    {"sha", "sha_ni"},
    {"gfni", "gfni"},
    {"avxvnni", "avx_vnni"},
    {"avx512f", "avx512f"},
    {"avx512vl", "avx512vl"},
    {"avx512dq", "avx512dq"},
    {"avx512bw", "avx512bw"},
    {"avx512cd", "avx512cd"},
    {"avx512ifma", "avx512ifma"},
    {"avx512vbmi", "avx512vbmi"},
    {"avx512vnni", "avx512_vnni"},
    {"avx512vbmi2", "avx512_vbmi2"},
    {"avx512bf16", "avx512_bf16"},
    {"avx512fp16", "avx512_fp16"},
    {"avx512bitalg", "avx512_bitalg"},
    {"avx512vpopcntdq", "avx512_vpopcntdq"},
    {"avx512vp2intersect", "avx512_vp2intersect"},
    {"amx-tile", "amx_tile"},
    {"amx-int8", "amx_int8"},
    {"amx-bf16", "amx_bf16"},
};
#else
constexpr Feature kFeatures[] = {
    {"neon", "asimd"}, {"fullfp16", "fphp"}, {"dotprod", "asimddp"}, {"sve", "sve"},
    {"sve2", "sve2"},  {"bf16", "bf16"},     {"i8mm", "i8mm"},
};
#endif

std::vector<std::string> read_flags() {
  std::ifstream file("/proc/cpuinfo");
  std::vector<std::string> flags;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) continue;
    auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) flags.push_back(word);
    break;
  }
  std::sort(flags.begin(), flags.end());
  flags.erase(std::unique(flags.begin(), flags.end()), flags.end());
  return flags;
}

}  // namespace

const std::vector<std::string> &cpu_flags() {
  static const std::vector<std::string> flags = read_flags();
  return flags;
}

std::vector<std::string> missing_features(std::string_view features) {
  auto &flags = cpu_flags();
  std::vector<std::string> missing;
  if (flags.empty()) return missing;
  std::istringstream asked{std::string(features.substr(features.rfind(' ') + 1))};  // npos + 1 is 0
  for (std::string word; std::getline(asked, word, ',');) {
    if (word.empty() || word[0] != '+') continue;
    word.erase(0, 1);
    auto known = std::find_if(std::begin(kFeatures), std::end(kFeatures), [&](const Feature &f) { return word == f.llvm; });
    if (known != std::end(kFeatures) && !std::binary_search(flags.begin(), flags.end(), known->linux_name)) missing.push_back(word);
  }
  return missing;
}

std::string joined(const std::vector<std::string> &names) {
  std::string text;
  for (auto &name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace jic
