// The C functions of jic.h over `Model`.
#include <cstdio>
#include <exception>
#include <iterator>
#include <new>
#include <string>

#include "errors.h"
#include "model.h"
#include "parallel.h"

using namespace jic;

struct jic_model {
  explicit jic_model(const char *path) : model(path) {}
  Model model;
};

namespace {

// Kept where nothing has to be allocated: the text of "out of memory" must not need any.
thread_local char message[2048] = "";

jic_status fail(jic_status status, const char *text) noexcept {
  std::snprintf(message, sizeof message, "%s", text);
  return status;
}

// What `body` throws becomes a code.
template <class F> jic_status guarded(F &&body) noexcept {
  try {
    body();
    return JIC_OK;
  } catch (const Error &error) {
    return fail(error.code, error.what());
  } catch (const std::bad_alloc &) {
    return fail(JIC_ERROR_MEMORY, "out of memory");
  } catch (const std::exception &error) {
    return fail(JIC_ERROR_INTERNAL, error.what());
  } catch (...) {
    return fail(JIC_ERROR_INTERNAL, "an unknown exception");
  }
}

const Signature *signature_of(const jic_model *model, size_t number) noexcept {
  return model && number < model->model.signatures() ? &model->model.signature(number) : nullptr;
}

jic_status describe(const Signature *s, size_t number, bool input, jic_tensor_info *info) noexcept {
  if (!info) return fail(JIC_ERROR_ARGUMENT, "no place for what is asked");
  if (!s) return fail(JIC_ERROR_SIGNATURE, "no such signature");
  if (number >= (input ? s->arguments : s->results.size())) return fail(JIC_ERROR_ARGUMENT, input ? "no such input" : "no such output");
  auto &name = input ? s->tensors[number].name : s->results[number].name;
  auto &layout = input ? s->tensors[number].layout : s->results[number].layout;
  *info = {name.c_str(), layout.element->dtype, int32_t(layout.shape.size()), layout.shape.data(), layout.strides.data(), size_t(layout.bytes())};
  return JIC_OK;
}

bool fits(const Signature &s, const jic_tensor *inputs, size_t count) noexcept {
  if (s.arguments != count) return false;
  for (size_t k = 0; k < count; ++k) {
    auto &layout = s.tensors[k].layout;
    if (inputs[k].dtype != layout.element->dtype || inputs[k].rank != int32_t(layout.shape.size())) return false;
    if (inputs[k].rank && !inputs[k].shape) return false;
    for (size_t d = 0; d < layout.shape.size(); ++d)
      if (inputs[k].shape[d] != layout.shape[d]) return false;
  }
  return true;
}

}  // namespace

extern "C" {

jic_status jic_load(const char *path, jic_model **model) {
  if (!path || !model) return fail(JIC_ERROR_ARGUMENT, "no path, or no place for the model");
  *model = nullptr;
  return guarded([&] { *model = new jic_model(path); });
}

void jic_free(jic_model *model) { delete model; }

size_t jic_num_signatures(const jic_model *model) { return model ? model->model.signatures() : 0; }

const char *jic_signature_text(const jic_model *model, size_t signature) {
  auto *s = signature_of(model, signature);
  return s ? s->text.c_str() : nullptr;
}

size_t jic_num_inputs(const jic_model *model, size_t signature) {
  auto *s = signature_of(model, signature);
  return s ? s->arguments : 0;
}

size_t jic_num_outputs(const jic_model *model, size_t signature) {
  auto *s = signature_of(model, signature);
  return s ? s->results.size() : 0;
}

jic_status jic_input_info(const jic_model *model, size_t signature, size_t input, jic_tensor_info *info) {
  return describe(signature_of(model, signature), input, true, info);
}

jic_status jic_output_info(const jic_model *model, size_t signature, size_t output, jic_tensor_info *info) {
  return describe(signature_of(model, signature), output, false, info);
}

jic_status jic_find_signature(const jic_model *model, const jic_tensor *inputs, size_t num_inputs, size_t *signature) {
  if (!model || !signature || (num_inputs && !inputs)) return fail(JIC_ERROR_ARGUMENT, "a null pointer");
  for (size_t i = 0; i < model->model.signatures(); ++i)
    if (fits(model->model.signature(i), inputs, num_inputs)) {
      *signature = i;
      return JIC_OK;
    }
  return fail(JIC_ERROR_SIGNATURE, "no signature has inputs of these dtypes and shapes");
}

jic_status jic_run(jic_model *model, size_t signature, const jic_tensor *inputs, size_t num_inputs, const jic_tensor *outputs,
                   size_t num_outputs) {
  if (!model) return fail(JIC_ERROR_ARGUMENT, "no model");
  return guarded([&] { model->model.run(signature, inputs, num_inputs, outputs, num_outputs); });
}

jic_status jic_set_num_threads(int threads) {
  if (threads < 1) return fail(JIC_ERROR_ARGUMENT, "fewer threads than one");
  parallel_set_threads(threads);
  return JIC_OK;
}

int jic_num_threads(void) { return parallel_max_threads(); }

const char *jic_error_message(void) { return message; }

const char *jic_status_name(jic_status status) {
  static const char *const names[] = {
      "JIC_OK",             "JIC_ERROR_ARGUMENT", "JIC_ERROR_FILE",        "JIC_ERROR_NOT_A_MODEL", "JIC_ERROR_CUT_SHORT", "JIC_ERROR_DAMAGED",
      "JIC_ERROR_FORMAT",   "JIC_ERROR_MANIFEST", "JIC_ERROR_CPU",         "JIC_ERROR_UNKNOWN_STEP", "JIC_ERROR_ATEN",     "JIC_ERROR_CODE",
      "JIC_ERROR_UNSUPPORTED", "JIC_ERROR_SIGNATURE", "JIC_ERROR_COUNT",   "JIC_ERROR_DTYPE",       "JIC_ERROR_SHAPE",     "JIC_ERROR_STRIDES",
      "JIC_ERROR_INDEX",    "JIC_ERROR_GAVE_UP",  "JIC_ERROR_MEMORY",      "JIC_ERROR_INTERNAL"};
  return status >= 0 && size_t(status) < std::size(names) ? names[status] : "an unknown status";
}

}  // extern "C"
