// The weights of a model: the manifest's list of them, and their elements in an entry of the safetensors format.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "json.h"
#include "layout.h"

namespace jic {

struct Weight {
  Layout layout;
  char *data;  // in the file's memory; null for a weight without elements
};

class Weights {
 public:
  // `list` is the manifest's "weights"; `entry` may be empty if no weight has elements. Throws JsonError, Error (JIC_ERROR_MANIFEST).
  Weights(const Json &list, std::string_view entry);

  const Weight *find(const std::string &name) const;  // null: there is none

 private:
  std::unordered_map<std::string, Weight> weights_;
};

}  // namespace jic
