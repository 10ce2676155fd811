// What captured tensors were like when they last matched, to see without asking torch that they still are.
#pragma once

#include <Python.h>

#include <cstring>
#include <memory>

#include "spec.h"
#include "torch_api.h"

namespace jic {

// For each captured tensor of a variant: the bytes of its TensorImpl (sizes, strides, offset, dtype, keys, storage) and where its storage's
// memory is. They are all that `tensor_matches` depends on besides the tensor's class and `requires_grad`, which are asked each time: equal
// bytes mean the same answer, whichever object they are found in.
class Snapshots {
 public:
  explicit Snapshots(size_t count);

  // Whether `x` is surely what `remember` saw as number `i`, so that `spec` describes it; fills `found` at `index`. False says nothing.
  bool same(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found) const {
    if (!memory_) return false;
    PyTypeObject *type = Py_TYPE(x);
    if (type != torch_api.parameter && type != torch_api.tensor) return false;
    const Entry &entry = at(i);
    const char *impl = load(x, torch_api.impl_offset);
    if (!entry.memory || !impl) return false;
    const char *now = impl + layout_.begin, *then = reinterpret_cast<const char *>(&entry + 1);
    uint64_t difference = 0;
    for (size_t k = 0; k < words_; ++k) difference |= word(now, k) ^ word(then, k);
    if (difference) return false;
    // The storage is alive: the tensor holds it.
    if (load(load(impl, layout_.storage), layout_.data) != entry.memory) return false;
    if (found.grad && torch_api.impl_requires_grad(impl) != spec.requires_grad) return false;
    found.objects[index] = x;
    found.data[index] = entry.data;
    return true;
  }

  // `tensor_matches`, which remembers `x` as number `i` if it matches.
  bool matches(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found);

 private:
  struct Entry {
    const char *memory;  // of the storage; null: nothing is remembered
    void *data;          // of the tensor's first element
    // followed by the bytes
  };

  static const char *load(const void *object, size_t offset) {
    const char *pointer;
    std::memcpy(&pointer, static_cast<const char *>(object) + offset, sizeof pointer);
    return pointer;
  }
  static uint64_t word(const char *bytes, size_t k) {
    uint64_t value;
    std::memcpy(&value, bytes + 8 * k, sizeof value);
    return value;
  }
  Entry &at(size_t i) const { return *reinterpret_cast<Entry *>(memory_.get() + i * (sizeof(Entry) + 8 * words_)); }

  TensorLayout layout_;
  size_t words_ = 0;
  std::unique_ptr<char[]> memory_;  // null: torch's layout is not known
};

}  // namespace jic
