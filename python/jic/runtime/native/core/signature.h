// One way to call a model, as its manifest tells it: docs/artifact.md, "manifest.json".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "layout.h"

namespace jic {

// A tensor of the call, or a number that the program reads as one.
struct CallTensor {
  std::string name;  // the place among the arguments; a weight's name
  Layout layout;
  int64_t limit = -1;  // of a whole number: its greatest magnitude
};

// A part of a tensor: all of it or a view.
struct Source {
  enum Base { output, tensor, nothing } base = nothing;
  size_t index = 0;    // of the program's output, or of the call's tensor
  int64_t offset = 0;  // in elements
  bool whole = true;   // the tensor as it is, whatever its strides
  Layout layout;       // in the base's memory
};

// One tensor (or number) of the result. With a `choice` it is the source that this output of the program names, else the first.
struct Result {
  std::string name;
  int64_t choice = -1;
  std::vector<Source> sources;
  Layout layout;  // that the caller's memory has best
};

struct Signature {
  std::string text;
  std::vector<CallTensor> tensors;  // arguments', then weights
  size_t arguments = 0;             // how many are arguments
  std::vector<size_t> inputs;       // the program's, among `tensors`
  std::vector<Layout> outputs;      // the program's, as the tensors that they become
  std::vector<Result> results;
  std::vector<std::pair<size_t, size_t>> copies;  // output → tensor, after the run
};

// `weights` gives the layout of a weight by name (null: there is none), `outputs` what the program writes.
// Throws JsonError, Error (JIC_ERROR_MANIFEST, JIC_ERROR_UNSUPPORTED).
using WeightLayout = const Layout *(*)(void *weights, const std::string &name);
Signature read_signature(const Json &description, const std::vector<Layout> &outputs, WeightLayout weight, void *weights);

// Fields "dtype", "shape" and, unless it is row-major, "strides". Throws JsonError, Error (JIC_ERROR_MANIFEST).
Layout read_layout(const Json &description);

}  // namespace jic
