// Loads a relocatable ELF object for this machine, as LLVM writes it, without a linker.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

namespace jic {

struct LoadError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Code and data of one object in memory. Sections are mapped with the rights they ask for; all goes with the destructor.
class LoadedObject {
 public:
  // `externals` are addresses for undefined symbols, asked before the process's own symbols and libm.
  // Throws LoadError when the object is damaged, for another machine, or needs what is not there.
  LoadedObject(std::string_view bytes, const std::unordered_map<std::string, uintptr_t> &externals);
  ~LoadedObject();
  LoadedObject(const LoadedObject &) = delete;
  LoadedObject &operator=(const LoadedObject &) = delete;

  // Addresses of the global and weak functions that the object defines.
  const std::unordered_map<std::string, uintptr_t> &functions() const { return functions_; }

 private:
  char *base_ = nullptr;
  size_t size_ = 0;
  std::unordered_map<std::string, uintptr_t> functions_;
};

}  // namespace jic
