#include "snapshots.h"

namespace jic {

Snapshots::Snapshots(size_t count) : layout_(torch_api.layout) {
  if (!layout_.end || !torch_api.impl_offset || !torch_api.impl_requires_grad || !count) return;
  words_ = (layout_.end - layout_.begin) / 8;
  memory_ = std::make_unique<char[]>(count * (sizeof(Entry) + 8 * words_));  // zeros
}

bool Snapshots::matches(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found) {
  if (!memory_) return tensor_matches(x, spec, index, found);
  PyTypeObject *type = Py_TYPE(x);
  if (type != torch_api.parameter && type != torch_api.tensor) return false;
  // Matching can run Python code, which may change the tensor: what is remembered is what was there before.
  char before[TensorLayout::kMost];
  const char *memory = nullptr, *impl = load(x, torch_api.impl_offset);
  if (impl && spec.shape.size() <= layout_.max_rank)
    if (const char *storage = load(impl, layout_.storage)) {
      memory = load(storage, layout_.data);
      std::memcpy(before, impl + layout_.begin, 8 * words_);
    }
  bool matched = tensor_matches(x, spec, index, found);
  Entry &entry = at(i);
  entry.memory = matched ? memory : nullptr;
  if (!entry.memory) return matched;
  entry.data = found.data[index];
  std::memcpy(&entry + 1, before, 8 * words_);
  return true;
}

}  // namespace jic
