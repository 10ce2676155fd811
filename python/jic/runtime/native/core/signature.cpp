#include "signature.h"

#include <algorithm>
#include <set>

#include "errors.h"
#include "program_reader.h"

namespace jic {
namespace {

constexpr int64_t kMost = int64_t(1) << 50;  // elements that strides may reach

[[noreturn]] void fail(const std::string &what) { throw Error(JIC_ERROR_MANIFEST, what); }
[[noreturn]] void unsupported(const std::string &what) { throw Error(JIC_ERROR_UNSUPPORTED, what); }

std::vector<int64_t> integers(const Json &list) {
  std::vector<int64_t> found;
  for (auto &n : list.items()) found.push_back(n.integer());
  return found;
}

void check(const Layout &layout) {
  if (layout.shape.size() != layout.strides.size() || layout.shape.size() > 64) fail("strides of another rank than the shape");
  int64_t reach = 1, count = 1;
  for (size_t d = 0; d < layout.shape.size(); ++d) {
    int64_t n = layout.shape[d], s = layout.strides[d], way;
    if (n < 0 || s < 0 || __builtin_mul_overflow(count, std::max<int64_t>(n, 1), &count) || count > kMost ||
        __builtin_mul_overflow(std::max<int64_t>(n - 1, 0), s, &way) || way > kMost || (reach += way) > kMost)
      fail("a tensor that is too large, or of negative strides");
  }
}

std::string joined(const std::string &path, const std::string &part) { return path.empty() ? part : path + "." + part; }

// A key of a dict, for people.
std::string shown(const Json &key) {
  switch (key.kind()) {
    case Json::Kind::string: return key.string();
    case Json::Kind::integer: return std::to_string(key.integer());
    case Json::Kind::boolean: return key.boolean() ? "True" : "False";
    default: return "?";
  }
}

class SignatureReader {
 public:
  SignatureReader(Signature &into) : s_(into) {}

  void argument(const Json &a, const std::string &path) {
    if (const Json *t = a.find("tensor")) {
      if (const Json *device = t->find("device"); device && device->string() != "cpu") unsupported("argument " + path + " is on " + device->string());
      s_.tensors.push_back({path, read_layout(*t), -1});
    } else if (const Json *n = a.find("number")) {
      auto &type = n->string();
      if (type != "int" && type != "float") fail("a number of type '" + type + "'");
      s_.tensors.push_back({path, {element_type(type == "int" ? "int64" : "float64"), {}, {}}, type == "int" ? a["limit"].integer() : -1});
    } else if (a.find("value")) {
      // The same at each call: nothing to give.
    } else if (const Json *dict = a.find("dict")) {
      for (auto &pair : dict->items()) argument(pair[1], joined(path, shown(pair[0])));
    } else {
      const Json *items = a.find("tuple");
      if (!items) items = a.find("list");
      if (!items) fail("argument " + path + " is of an unknown kind");
      for (size_t i = 0; i < items->items().size(); ++i) argument((*items)[i], joined(path, std::to_string(i)));
    }
  }

  // What the program's outputs become.
  void outputs(const std::vector<Layout> &made, const Json &geometry) {
    s_.outputs = made;
    for (auto &g : geometry.items()) {
      Layout &layout = s_.outputs[index(g[0], made.size(), "an output")];
      int64_t count = layout.count();
      layout.shape = integers(g[1]);
      layout.strides = integers(g[2]);
      check(layout);
      if (layout.count() != count || (count && (layout.reach() != count || !layout.distinct()))) fail("an output's tensor has another number of elements than the output");
    }
  }

  size_t index(const Json &number, size_t count, const char *what) const {
    int64_t n = number.integer();
    if (n < 0 || uint64_t(n) >= count) fail(std::string(what) + " of number " + std::to_string(n) + ", there are " + std::to_string(count));
    return size_t(n);
  }

  void result(const Json &r, const std::string &path, std::vector<Result> &into) {
    if (r.find("output") || r.find("tensor") || r.find("view") || r.find("empty")) {
      Source source = leaf(r);
      Layout best = source.layout;
      if (!source.whole || source.base == Source::tensor) best.strides = row_major_strides(best.shape);
      into.push_back({path, -1, {std::move(source)}, std::move(best)});
    } else if (const Json *number = r.find("number")) {
      result(*number, path, into);
    } else if (const Json *once = r.find("once")) {
      if (seen_.insert(once->integer()).second) result(r["item"], path, into);
    } else if (r.find("container") || r.find("constant")) {
      // What the caller has, and what is the same at each call.
    } else if (const Json *by = r.find("choice")) {
      choice(r, index(*by, s_.outputs.size(), "an output"), path, into);
    } else if (const Json *dict = r.find("dict") ? r.find("dict") : r.find("ordered_dict")) {
      for (auto &pair : dict->items()) result(pair[1], joined(path, shown(pair[0])), into);
    } else {
      const Json *items = nullptr;
      for (const char *kind : {"tuple", "list", "size", "items"})
        if (!items) items = r.find(kind);
      if (!items) fail("a result of an unknown kind");
      for (size_t i = 0; i < items->items().size(); ++i) {
        auto &one = (*items)[i];
        if (one.kind() == Json::Kind::object) result(one, joined(path, std::to_string(i)), into);
      }
    }
  }

 private:
  Source leaf(const Json &r) {
    Source source;
    const Json *view = r.find("view");
    const Json &base = view ? *view : r;
    if (const Json *o = base.find("output")) {
      source.base = Source::output;
      source.index = index(*o, s_.outputs.size(), "an output");
      source.layout = s_.outputs[source.index];
    } else if (const Json *t = base.find("tensor")) {
      source.base = Source::tensor;
      source.index = index(*t, s_.tensors.size(), "a tensor");
      source.layout = s_.tensors[source.index].layout;
    } else {
      source.layout = read_layout(base["empty"]);
      if (source.layout.count()) fail("an empty tensor with elements");
      return source;
    }
    if (!view) return source;
    const int64_t reach = source.layout.reach();
    source.whole = false;
    source.layout.shape = integers(r["size"]);
    source.layout.strides = integers(r["strides"]);
    source.offset = r["offset"].integer();
    check(source.layout);
    // A view begins where its base does or later; torch allows earlier, which is memory that is not the caller's to show.
    if (source.layout.count() && (source.offset < 0 || source.offset > kMost || source.offset + source.layout.reach() > reach))
      fail("a view that leaves its tensor");
    return source;
  }

  // Results that differ in where they come from only: one list of outputs stands for all.
  void choice(const Json &r, size_t by, const std::string &path, std::vector<Result> &into) {
    auto &number = s_.outputs[by];
    if (number.element->dtype != JIC_INT64 || number.count() != 1) fail("a choice by an output that is no int64");
    std::vector<Result> joint;
    auto &items = r["items"].items();
    for (size_t i = 0; i < items.size(); ++i) {
      std::vector<Result> one;
      auto before = seen_;
      result(items[i], path, one);
      seen_ = std::move(before);
      bool alike = i == 0 || one.size() == joint.size();
      for (size_t k = 0; alike && k < one.size(); ++k) {
        if (one[k].choice >= 0) unsupported("a result that is chosen twice");
        alike = i == 0 || (one[k].name == joint[k].name && one[k].layout.shape == joint[k].layout.shape && one[k].layout.element == joint[k].layout.element);
      }
      if (!alike) unsupported("what the call returns has another form for other values");
      if (i == 0)
        joint = std::move(one);
      else
        for (size_t k = 0; k < one.size(); ++k) joint[k].sources.push_back(std::move(one[k].sources[0]));
    }
    for (auto &j : joint) {
      j.choice = int64_t(by);
      into.push_back(std::move(j));
    }
  }

  Signature &s_;
  std::set<int64_t> seen_;  // numbers of objects that the result holds more than once: they are one output
};

}  // namespace

Layout read_layout(const Json &description) {
  BufferType type = read_buffer_type(description);
  Layout layout{type.element, type.shape, {}};
  const Json *strides = description.find("strides");
  layout.strides = strides ? integers(*strides) : row_major_strides(layout.shape);
  check(layout);
  return layout;
}

Signature read_signature(const Json &d, const std::vector<Layout> &outputs, WeightLayout weight, void *weights) {
  Signature s;
  SignatureReader reader(s);
  if (const Json *text = d.find("text")) s.text = text->string();
  auto &arguments = d["arguments"].items();
  for (size_t i = 0; i < arguments.size(); ++i) reader.argument(arguments[i], std::to_string(i));
  for (auto &pair : d["keywords"].items()) reader.argument(pair[1], pair[0].string());
  s.arguments = s.tensors.size();
  for (auto &name : d["weights"].items()) {
    const Layout *layout = weight(weights, name.string());
    if (!layout) fail("there is no weight '" + name.string() + "'");
    s.tensors.push_back({name.string(), *layout, -1});
  }
  for (auto &i : d["inputs"].items()) s.inputs.push_back(reader.index(i, s.tensors.size(), "an input"));
  reader.outputs(outputs, d["geometry"]);
  reader.result(d["result"], "", s.results);
  for (auto &pair : d["copies"].items()) {
    size_t from = reader.index(pair[0], s.outputs.size(), "an output"), to = reader.index(pair[1], s.tensors.size(), "a tensor");
    auto &source = s.outputs[from], &target = s.tensors[to].layout;
    if (source.element != target.element || source.shape != target.shape) fail("an output is copied into a tensor of another kind");
    s.copies.emplace_back(from, to);
  }
  return s;
}

}  // namespace jic
