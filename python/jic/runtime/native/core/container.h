// The entries of a file `model.jic`: docs/artifact.md, "The container".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jic {

class Container {
 public:
  // Checks every byte that is not an entry's data, and every entry's checksum. `file` must outlive the container.
  // Throws Error: JIC_ERROR_NOT_A_MODEL, _CUT_SHORT, _DAMAGED.
  explicit Container(std::string_view file);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string_view operator[](std::string_view name) const;  // throws Error (JIC_ERROR_MANIFEST)

 private:
  struct Entry {
    std::string name;
    uint32_t checksum;
    uint64_t header, size;  // where its header is, and the data's bytes
    std::string_view data;
  };
  const Entry *find(std::string_view name) const;
  std::vector<Entry> entries_;
};

}  // namespace jic
