// What captured tensors were like when they last matched, to see without asking torch that they still are.
#pragma once

#include <Python.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "spec.h"
#include "torch_api.h"

namespace jic {

// For each captured tensor of a variant: its storage, where the storage's memory is, and those bytes of its TensorImpl that say how it lies
// there (sizes, strides, offset, dtype, keys). They are all that `tensor_matches` depends on besides the tensor's class and `requires_grad`,
// which are asked each time: the same bytes mean the same answer, whichever object they are found in.
class Snapshots {
 public:
  explicit Snapshots(size_t count);

  // Whether `x` is surely what was last seen as number `i`, so that `spec` describes it; fills `found` at `index`. False says nothing.
  bool same(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found) const {
    if (seen_.empty()) return false;
    PyTypeObject *type = Py_TYPE(x);
    if (type != torch_api.parameter && type != torch_api.tensor) return false;
    const Seen &seen = seen_[i];
    const char *impl = load(x, torch_api.impl_offset);
    if (!seen.storage || !impl || load(impl, layout_.storage) != seen.storage) return false;
    // The storage is alive: the tensor holds it.
    if (load(seen.storage, layout_.data) != seen.memory || differs(impl + layout_.begin, seen.layout)) return false;
    if (found.grad && torch_api.impl_requires_grad(impl) != spec.requires_grad) return false;
    found.objects[index] = x;
    found.data[index] = seen.data;
    return true;
  }

  // `tensor_matches`, which remembers `x` as number `i` if it matches.
  bool matches(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found);

 private:
  struct Seen {
    const char *storage = nullptr;  // null: nothing was seen
    const char *memory = nullptr;   // of the storage
    void *data = nullptr;           // of the tensor's first element
    const char *layout = nullptr;   // in `layouts_`
  };

  static const char *load(const void *object, size_t offset) {
    const char *pointer;
    std::memcpy(&pointer, static_cast<const char *>(object) + offset, sizeof pointer);
    return pointer;
  }
  bool differs(const char *a, const char *b) const {
    uint64_t difference = 0;
    for (size_t k = 0; k < words_; ++k) {
      uint64_t x, y;
      std::memcpy(&x, a + 8 * k, sizeof x);
      std::memcpy(&y, b + 8 * k, sizeof y);
      difference |= x ^ y;
    }
    return difference != 0;
  }

  TensorLayout layout_;
  size_t words_ = 0;
  std::vector<Seen> seen_;         // empty: torch's layout is not known
  std::set<std::string> layouts_;  // of all tensors: those of one shape share theirs, which then stays in the cache
};

}  // namespace jic
