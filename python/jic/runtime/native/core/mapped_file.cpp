#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "errors.h"

namespace jic {

MappedFile::MappedFile(const std::string &path) {
  auto fail = [&](const char *what) { throw Error(JIC_ERROR_FILE, "'" + path + "' cannot be " + what + ": " + std::strerror(errno)); };
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("opened");
  struct stat about;
  if (fstat(file, &about)) {
    close(file);
    fail("read");
  }
  if (!S_ISREG(about.st_mode)) {
    close(file);
    throw Error(JIC_ERROR_FILE, "'" + path + "' is not a regular file");
  }
  size_ = size_t(about.st_size);
  if (size_) {
    void *memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (memory == MAP_FAILED) {
      close(file);
      fail("mapped");
    }
    data_ = static_cast<char *>(memory);
  }
  close(file);
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

void MappedFile::make_writable() {
  if (data_ && mprotect(data_, size_, PROT_READ | PROT_WRITE))
    throw Error(JIC_ERROR_MEMORY, std::string("the weights cannot be written to: ") + std::strerror(errno));
}

}  // namespace jic
