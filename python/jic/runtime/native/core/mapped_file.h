// A file in memory, read when it is looked at.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jic {

class MappedFile {
 public:
  // Throws Error (JIC_ERROR_FILE). The pages are private: nothing is ever written to the file.
  explicit MappedFile(const std::string &path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  std::string_view bytes() const { return {data_, size_}; }

  // From here on the memory may be written to, as the process's own copy.
  void make_writable();

 private:
  char *data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace jic
