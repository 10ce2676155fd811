#include "model.h"

#include <algorithm>

#include "cpu_features.h"
#include "errors.h"
#include "pool.h"

namespace jic {
namespace {

[[noreturn]] void fail(const std::string &what) { throw Error(JIC_ERROR_MANIFEST, what); }

void check_format(const Json &manifest, const char *what) {
  int64_t format = manifest["format"].integer();
  if (format != JIC_FORMAT) throw Error(JIC_ERROR_FORMAT, std::string(what) + " of format " + std::to_string(format) + ", expected " + std::to_string(JIC_FORMAT));
}

Layout layout_of(const BufferType &type) { return {type.element, type.shape, row_major_strides(type.shape)}; }

}  // namespace

Model::Model(const std::string &path) : file_(path), container_(file_.bytes()) {
  try {
    const Json manifest = Json::parse(container_["manifest.json"]);
    check_format(manifest, "a file");
    weights_ = std::make_unique<Weights>(manifest["weights"], container_.has("weights.safetensors") ? container_["weights.safetensors"] : std::string_view());
    for (auto &s : manifest["signatures"].items()) add(s);
  } catch (const JsonError &error) {
    fail(std::string("a malformed manifest: ") + error.what());
  }
  if (changes_weights_) file_.make_writable();
}

Model::~Model() {
  callables_.clear();
  for (void *c : copies_) pool_free(c);
}

LoadedProgram Model::load_program(const Json &signature) const {
  std::string why = "no program for a CPU";
  const std::string which = "signature " + std::to_string(callables_.size());
  for (auto &p : signature["programs"].items()) {
    if (p["target"].string() != "cpu") continue;
    if (auto lacking = missing_features(p["features"].string()); !lacking.empty()) {
      why = "programs for CPUs with " + joined(lacking) + ", which this one lacks";
      continue;
    }
    if (const Json *aten = p.find("aten"); aten && !aten->items().empty()) {
      std::vector<std::string> names;
      for (auto &name : aten->items()) names.push_back(name.string());
      throw Error(JIC_ERROR_ATEN, which + " calls " + joined(names) + ", which only torch has");
    }
    const std::string folder = p["path"].string() + "/";
    const Json program = Json::parse(container_[folder + "program.json"]);
    check_format(program, "a program");
    LoadedProgram loaded = read_program(program, container_[folder + "code.o"], container_[folder + "constants.bin"], {});
    if (!loaded.aten.empty()) throw Error(JIC_ERROR_ATEN, which + " calls " + loaded.aten[0].callee + ", which only torch has");
    return loaded;
  }
  throw Error(JIC_ERROR_CPU, which + " has " + why);
}

void Model::add(const Json &description) {
  Callable c;
  c.loaded = load_program(description);
  std::vector<Layout> outputs;
  for (auto &type : c.loaded.outputs) outputs.push_back(layout_of(type));
  auto layout = [](void *weights, const std::string &name) -> const Layout * {
    auto *found = static_cast<const Weights *>(weights)->find(name);
    return found ? &found->layout : nullptr;
  };
  c.signature = read_signature(description, outputs, layout, weights_.get());
  auto &inputs = c.signature.inputs;
  if (inputs.size() != c.loaded.inputs.size()) fail("the program has another number of inputs than the signature");
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto &tensor = c.signature.tensors[inputs[i]].layout;
    auto &type = c.loaded.inputs[i];
    if (tensor.element != type.element || tensor.shape != type.shape) fail("the program's input " + std::to_string(i) + " is not what the signature gives it");
  }
  bind_weights(c);
  callables_.push_back(std::move(c));
}

void Model::bind_weights(Callable &c) {
  auto &tensors = c.signature.tensors;
  for (size_t k = c.signature.arguments; k < tensors.size(); ++k) {
    char *data = weights_->find(tensors[k].name)->data, *read = data;
    auto &layout = tensors[k].layout;
    bool changed = std::any_of(c.signature.copies.begin(), c.signature.copies.end(), [&](auto &copy) { return copy.second == k; });
    changes_weights_ |= changed;
    if (!layout.row_major()) {
      if (changed) throw Error(JIC_ERROR_UNSUPPORTED, "the call changes weight '" + tensors[k].name + "', which is not row-major");
      read = static_cast<char *>(pool_allocate(size_t(layout.bytes())));
      if (!read) throw Error(JIC_ERROR_MEMORY, "no memory for weight '" + tensors[k].name + "'");
      copies_.push_back(read);
      copy_array(read, row_major_strides(layout.shape).data(), data, layout.strides.data(), layout);
    }
    c.weights.push_back(data);
    c.row_major.push_back(read);
  }
}

}  // namespace jic
