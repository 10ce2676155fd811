// From an artifact's parts to a program: its manifest (docs/architecture.md, "Artifact") is checked and read here only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "element_types.h"
#include "json.h"
#include "program.h"

namespace jic {

struct BufferType {
  const ElementType *element;
  std::vector<int64_t> shape;
  int64_t bytes;
};

struct AtenStep {
  int64_t number;  // among the program's steps
  std::string callee;
  std::vector<BufferType> operands;
};

struct LoadedProgram {
  std::unique_ptr<Program> program;
  std::vector<BufferType> inputs, outputs;
  std::vector<int64_t> numbers;  // of each of the manifest's steps among the program's
  std::vector<AtenStep> aten;
};

// Throws Error: JIC_ERROR_MANIFEST, _UNKNOWN_STEP, _CPU, _CODE, _MEMORY.
// `externals` are addresses for symbols that the code does not define; the process's symbols and libm come after these.
LoadedProgram read_program(const Json &manifest, std::string_view code, std::string_view constants,
                           const std::unordered_map<std::string, uintptr_t> &externals);

// `{"dtype": …, "shape": […]}`. Throws Error.
BufferType read_buffer_type(const Json &description);

}  // namespace jic
