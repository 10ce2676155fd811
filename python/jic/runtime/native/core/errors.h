// What goes wrong in the core, with the code that C callers get.
#pragma once

#include <stdexcept>
#include <string>

#include "jic.h"

namespace jic {

struct Error : std::runtime_error {
  Error(jic_status code, const std::string &what) : std::runtime_error(what), code(code) {}
  jic_status code;
};

}  // namespace jic
