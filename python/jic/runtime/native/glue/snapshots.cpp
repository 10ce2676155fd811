#include "snapshots.h"

namespace jic {

Snapshots::Snapshots(size_t count) : layout_(torch_api.layout) {
  if (!layout_.end || !torch_api.impl_offset || !torch_api.impl_requires_grad) return;
  words_ = (layout_.end - layout_.begin) / 8;
  seen_.resize(count);
}

bool Snapshots::matches(size_t i, PyObject *x, const TensorSpec &spec, int index, Found &found) {
  PyTypeObject *type = Py_TYPE(x);
  if (type != torch_api.parameter && type != torch_api.tensor) return false;
  // Matching can run Python code, which may change the tensor: what is remembered is what was there before.
  char before[TensorLayout::kMost];
  Seen seen;
  const char *impl = seen_.empty() || spec.shape.size() > layout_.max_rank ? nullptr : load(x, torch_api.impl_offset);
  if (impl) {
    seen.storage = load(impl, layout_.storage);
    if (seen.storage) seen.memory = load(seen.storage, layout_.data);
    std::memcpy(before, impl + layout_.begin, 8 * words_);
  }
  bool matched = tensor_matches(x, spec, index, found);
  if (seen_.empty()) return matched;
  if (!matched || !seen.memory) {
    seen_[i] = {};
    return matched;
  }
  // As many as there are tensors are enough but for tensors that change all the time.
  if (layouts_.size() > 2 * seen_.size()) {
    seen_.assign(seen_.size(), {});
    layouts_.clear();
  }
  seen.data = found.data[index];
  seen.layout = layouts_.emplace(before, 8 * words_).first->data();
  seen_[i] = seen;
  return true;
}

}  // namespace jic
