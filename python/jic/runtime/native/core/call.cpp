// One run of a model's signature on a caller's arrays.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "errors.h"
#include "model.h"
#include "pool.h"

namespace jic {
namespace {

std::string shown(const int64_t *shape, size_t rank) {
  std::string text = "[";
  for (size_t d = 0; d < rank; ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

// A caller's array with the layout that it was found to have.
struct Given {
  char *data;
  const int64_t *strides;
};

struct Extent {
  uintptr_t begin, end;
  bool meets(const Extent &other) const { return begin < other.end && other.begin < end; }
};

Extent extent(const void *data, const Layout &layout) {
  return {uintptr_t(data), uintptr_t(data) + uintptr_t(layout.reach() * layout.element->size())};
}

// The layout of `t`, which must have the dtype and shape of `expected`. Throws Error that names it by `what`.
Layout layout_of(const jic_tensor &t, const Layout &expected, const std::string &what) {
  const size_t rank = expected.shape.size();
  if (t.dtype != expected.element->dtype) {
    bool known = t.dtype >= 0 && size_t(t.dtype) < std::size(kElementTypes);
    throw Error(JIC_ERROR_DTYPE, what + " is of dtype " + (known ? kElementTypes[t.dtype].name : std::to_string(t.dtype)) + ", expected " + expected.element->name);
  }
  if (t.rank < 0 || size_t(t.rank) != rank) throw Error(JIC_ERROR_SHAPE, what + " has rank " + std::to_string(t.rank) + ", expected " + shown(expected.shape.data(), rank));
  if (rank && !t.shape) throw Error(JIC_ERROR_ARGUMENT, what + " has no shape");
  if (!std::equal(expected.shape.begin(), expected.shape.end(), t.shape))
    throw Error(JIC_ERROR_SHAPE, what + " has shape " + shown(t.shape, rank) + ", expected " + shown(expected.shape.data(), rank));
  Layout layout{expected.element, expected.shape, {}};
  if (t.strides)
    layout.strides.assign(t.strides, t.strides + rank);
  else
    layout.strides = row_major_strides(layout.shape);
  for (size_t d = 0; d < rank; ++d) {
    int64_t way, s = layout.strides[d];
    if (layout.shape[d] < 2) continue;
    if (s < 0 || __builtin_mul_overflow(layout.shape[d] - 1, s, &way) || way > (int64_t(1) << 50))
      throw Error(JIC_ERROR_STRIDES, what + " has strides " + shown(layout.strides.data(), rank) + ": below zero or too large");
  }
  for (size_t d = 0; d < rank; ++d)
    if (layout.shape[d] < 2) layout.strides[d] = 0;
  if (!t.data && layout.count()) throw Error(JIC_ERROR_ARGUMENT, what + " has no data");
  if (uintptr_t(t.data) % uintptr_t(std::min(expected.element->size(), 8)))
    throw Error(JIC_ERROR_ARGUMENT, what + " does not lie at a multiple of its element's size");
  return layout;
}

// Memory that goes back when the call ends, however it ends.
struct Temporaries {
  std::vector<void *> blocks;
  ~Temporaries() {
    for (void *b : blocks) pool_free(b);
  }
  char *allocate(int64_t bytes) {
    blocks.reserve(blocks.size() + 1);
    void *made = pool_allocate(size_t(bytes));
    if (!made) throw Error(JIC_ERROR_MEMORY, "no memory for a copy of " + std::to_string(bytes) + " bytes");
    blocks.push_back(made);
    return static_cast<char *>(made);
  }
};

std::string named(const char *what, size_t number, const std::string &name) {
  return std::string(what) + " " + std::to_string(number) + (name.empty() ? "" : " ('" + name + "')");
}

}  // namespace

void Model::run(size_t number, const jic_tensor *inputs, size_t num_inputs, const jic_tensor *outputs, size_t num_outputs) {
  if (number >= callables_.size())
    throw Error(JIC_ERROR_SIGNATURE, "signature " + std::to_string(number) + ", the model has " + std::to_string(callables_.size()));
  const Callable &c = callables_[number];
  auto &s = c.signature;
  if (num_inputs != s.arguments) throw Error(JIC_ERROR_COUNT, std::to_string(num_inputs) + " inputs, expected " + std::to_string(s.arguments));
  if (num_outputs != s.results.size()) throw Error(JIC_ERROR_COUNT, std::to_string(num_outputs) + " outputs, expected " + std::to_string(s.results.size()));
  if ((num_inputs && !inputs) || (num_outputs && !outputs)) throw Error(JIC_ERROR_ARGUMENT, "no tensors");
  if (!changes_weights_) return call(c, inputs, outputs);
  std::unique_lock<std::shared_mutex> lock(changing_);
  call(c, inputs, outputs);
}

void Model::call(const Callable &c, const jic_tensor *inputs, const jic_tensor *outputs) {
  const Signature &s = c.signature;
  Temporaries temporaries;
  std::vector<Layout> layouts;  // of the call's tensors as they are
  std::vector<char *> data;
  std::vector<Extent> extents;
  for (size_t k = 0; k < s.arguments; ++k) {
    auto &t = s.tensors[k];
    const std::string what = named("input", k, t.name);
    layouts.push_back(layout_of(inputs[k], t.layout, what));
    data.push_back(static_cast<char *>(inputs[k].data));
    extents.push_back(extent(data[k], layouts[k]));
    if (t.limit >= 0) {
      int64_t n;
      std::memcpy(&n, data[k], 8);
      if (n > t.limit || n < -t.limit) throw Error(JIC_ERROR_SIGNATURE, what + " is " + std::to_string(n) + ", expected at most " + std::to_string(t.limit));
    }
  }
  for (size_t k = s.arguments; k < s.tensors.size(); ++k) {
    layouts.push_back(s.tensors[k].layout);
    data.push_back(c.weights[k - s.arguments]);
  }
  std::vector<Layout> targets;
  for (size_t r = 0; r < s.results.size(); ++r) {
    auto &result = s.results[r];
    const std::string what = named("output", r, result.name);
    targets.push_back(layout_of(outputs[r], result.layout, what));
    if (!targets[r].distinct()) throw Error(JIC_ERROR_STRIDES, what + " has strides " + shown(targets[r].strides.data(), targets[r].strides.size()) + ", which lead to one element twice");
    Extent own = extent(outputs[r].data, targets[r]);
    for (auto &other : extents)
      if (own.meets(other)) throw Error(JIC_ERROR_STRIDES, what + " overlaps another tensor of the call");
    extents.push_back(own);
    for (auto &source : result.sources)
      if (source.base == Source::tensor && !source.whole && !s.tensors[source.index].layout.same_strides(layouts[source.index].strides.data()))
        throw Error(JIC_ERROR_STRIDES, what + " is a view of tensor " + std::to_string(source.index) + ", which must have the strides that jic_input_info gives");
  }
  for (auto &[from, to] : s.copies) {
    if (to >= s.arguments) continue;
    if (!layouts[to].distinct()) throw Error(JIC_ERROR_STRIDES, named("input", to, s.tensors[to].name) + " is written to, and has strides that lead to one element twice");
    for (size_t k = 0; k < s.arguments; ++k)
      if (k != to && extents[k].meets(extents[to])) throw Error(JIC_ERROR_STRIDES, named("input", to, s.tensors[to].name) + " is written to, and overlaps input " + std::to_string(k));
  }

  std::vector<void *> in, out;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    const size_t k = s.inputs[i];
    if (k >= s.arguments) {
      in.push_back(c.row_major[k - s.arguments]);
    } else if (layouts[k].row_major()) {
      in.push_back(data[k]);
    } else {
      in.push_back(temporaries.allocate(layouts[k].bytes()));
      copy_array(in.back(), row_major_strides(layouts[k].shape).data(), data[k], layouts[k].strides.data(), layouts[k]);
    }
  }
  // An output goes straight to the caller where a result is just that, in memory of its own strides.
  std::vector<char> done(s.results.size(), 0);
  for (size_t o = 0; o < s.outputs.size(); ++o) {
    void *place = nullptr;
    for (size_t r = 0; r < s.results.size() && !place; ++r) {
      auto &result = s.results[r];
      auto &source = result.sources[0];
      if (result.choice >= 0 || source.base != Source::output || !source.whole || source.index != o) continue;
      if (!s.outputs[o].same_strides(targets[r].strides.data()) || !outputs[r].data) continue;
      place = outputs[r].data;
      done[r] = 1;
    }
    out.push_back(place ? place : temporaries.allocate(s.outputs[o].bytes()));
  }

  Host host;
  const Step *gave_up = nullptr;
  switch (c.loaded.program->run(in.data(), out.data(), host, &gave_up)) {
    case Outcome::done: break;
    case Outcome::bailed: throw Error(gave_up->kind == StepKind::check ? JIC_ERROR_INDEX : JIC_ERROR_GAVE_UP, gave_up->message);
    case Outcome::no_memory: throw Error(JIC_ERROR_MEMORY, "no memory for the program's workspace");
    case Outcome::stopped: throw Error(JIC_ERROR_INTERNAL, "the run was stopped");
  }

  for (auto &[from, to] : s.copies) copy_array(data[to], layouts[to].strides.data(), out[from], s.outputs[from].strides.data(), s.outputs[from]);
  for (size_t r = 0; r < s.results.size(); ++r) {
    if (done[r]) continue;
    auto &result = s.results[r];
    size_t chosen = 0;
    if (result.choice >= 0) {
      int64_t number;
      std::memcpy(&number, out[size_t(result.choice)], 8);
      if (number < 0 || uint64_t(number) >= result.sources.size()) throw Error(JIC_ERROR_INTERNAL, "the program chose a result that does not exist");
      chosen = size_t(number);
    }
    auto &source = result.sources[chosen];
    if (source.base == Source::nothing) continue;
    const bool is_output = source.base == Source::output;
    const char *from = is_output ? static_cast<char *>(out[source.index]) : data[source.index];
    auto &strides = source.whole && !is_output ? layouts[source.index].strides : source.layout.strides;
    copy_array(outputs[r].data, targets[r].strides.data(), from + source.offset * source.layout.element->size(), strides.data(), source.layout);
  }
}

}  // namespace jic
