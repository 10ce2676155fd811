#include "weights.h"

#include <algorithm>
#include <cstring>

#include "errors.h"
#include "signature.h"

namespace jic {
namespace {

constexpr uint64_t kLargestHeader = uint64_t(100) << 20;  // the format's own limit

[[noreturn]] void fail(const std::string &what) { throw Error(JIC_ERROR_MANIFEST, what); }

}  // namespace

Weights::Weights(const Json &list, std::string_view entry) {
  Json header;
  std::string_view data;
  std::unordered_map<std::string_view, const Json *> stored;
  if (!entry.empty()) {
    uint64_t size = 0;
    if (entry.size() < 8) fail("the weights have no header");
    std::memcpy(&size, entry.data(), 8);
    if (size > kLargestHeader || size > entry.size() - 8) fail("the weights' header is longer than they are");
    header = Json::parse(entry.substr(8, size));
    data = entry.substr(8 + size);
    for (auto &[name, value] : header.members())
      if (name != "__metadata__") stored.emplace(name, &value);
  }
  for (auto &w : list.items()) {
    auto &name = w["name"].string();
    Weight made{};
    if (const Json *same = w.find("same_as"); same && !same->is_null()) {
      const Weight *first = find(same->string());
      if (!first) fail("weight '" + name + "' is the same as '" + same->string() + "', which does not come before it");
      made = *first;
    } else {
      made.layout = read_layout(w);
      // From its first element to its last, in the order of memory.
      const int64_t bytes = made.layout.reach() * made.layout.element->size();
      if (auto found = stored.find(name); found != stored.end()) {
        auto &range = (*found->second)["data_offsets"];
        int64_t begin = range[0].integer(), end = range[1].integer();
        if (begin < 0 || end < begin || uint64_t(end) > data.size()) fail("weight '" + name + "' lies outside the file");
        if (end - begin != bytes) fail("weight '" + name + "' has " + std::to_string(end - begin) + " bytes, expected " + std::to_string(bytes));
        made.data = const_cast<char *>(data.data() + begin);
        if (reinterpret_cast<uintptr_t>(made.data) % uintptr_t(std::min(made.layout.element->size(), 8))) fail("weight '" + name + "' is not aligned");
      } else if (bytes) {
        fail("the file does not hold weight '" + name + "'");
      }
    }
    if (!weights_.emplace(name, std::move(made)).second) fail("two weights of the name '" + name + "'");
  }
}

const Weight *Weights::find(const std::string &name) const {
  auto found = weights_.find(name);
  return found == weights_.end() ? nullptr : &found->second;
}

}  // namespace jic
