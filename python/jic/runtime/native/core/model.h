// A file `model.jic` in memory, ready to be called.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "container.h"
#include "jic.h"
#include "mapped_file.h"
#include "program_reader.h"
#include "signature.h"
#include "weights.h"

namespace jic {

class Model {
 public:
  // Checks the file and loads the first program of each signature that this machine can run. Throws Error.
  explicit Model(const std::string &path);
  ~Model();
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  size_t signatures() const { return callables_.size(); }
  const Signature &signature(size_t number) const { return callables_[number].signature; }

  // Throws Error.
  void run(size_t signature, const jic_tensor *inputs, size_t num_inputs, const jic_tensor *outputs, size_t num_outputs);

 private:
  struct Callable {
    Signature signature;
    LoadedProgram loaded;
    std::vector<char *> weights;      // the memory of each weight among the signature's tensors
    std::vector<char *> row_major;    // the same in the order that the program reads
  };
  void add(const Json &description);
  LoadedProgram load_program(const Json &signature) const;
  void bind_weights(Callable &c);
  void call(const Callable &c, const jic_tensor *inputs, const jic_tensor *outputs);

  MappedFile file_;
  Container container_;
  std::unique_ptr<Weights> weights_;
  std::vector<Callable> callables_;
  std::vector<void *> copies_;  // of weights, from the pool
  bool changes_weights_ = false;
  std::shared_mutex changing_;  // held by one run if runs change weights
};

}  // namespace jic
