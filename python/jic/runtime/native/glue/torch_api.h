// What the native runtime asks of torch, through pointers found once at start: no link against libtorch.
#pragma once

#include <Python.h>

#include "dlpack.h"

namespace jic {

// Where torch keeps what a tensor is: see jic.runtime.tensor_layout. `end` is 0 if that is not known.
struct TensorLayout {
  static constexpr size_t kMost = 256;  // of end - begin
  size_t storage = 0, begin = 0, end = 0, data = 0, max_rank = 0;
};

struct TorchApi {
  const DLPackExchangeAPI *dlpack = nullptr;
  PyTypeObject *tensor = nullptr, *parameter = nullptr;
  getter requires_grad = nullptr;
  void *requires_grad_closure = nullptr;
  bool (*grad_enabled)() = nullptr;                          // c10::GradMode::is_enabled
  bool (*impl_requires_grad)(const void *impl) = nullptr;  // c10::TensorImpl::requires_grad
  bool (*modes_set)(bool skip_infra) = nullptr;            // c10::impl::TorchDispatchModeTLS::any_modes_set
  Py_ssize_t impl_offset = 0;                                // of the TensorImpl pointer in a tensor object
  PyObject *is_neg = nullptr, *is_conj = nullptr;
  PyObject *grad_enabled_callable = nullptr;
  TensorLayout layout;
};
extern TorchApi torch_api;

// Takes Tensor, Parameter, the callable torch.is_grad_enabled and the path of libc10 (or null). Throws std::runtime_error.
void torch_initialize(PyObject *tensor, PyObject *parameter, PyObject *is_grad_enabled, const char *c10_path);

// 1 or 0; -1 with a Python error set.
int grad_mode();
int tensor_requires_grad(PyObject *tensor);
// Whether the tensor's memory holds other values than the tensor (negative or conjugate bit).
int tensor_is_lazy(PyObject *tensor, bool complex_numbers);

// A tensor on pool memory, made in two steps: memory first (no Python object needed while kernels run), then the tensor, which owns it.
struct PoolTensor;
PoolTensor *pool_tensor_allocate(size_t bytes, void **data) noexcept;
void pool_tensor_discard(PoolTensor *t) noexcept;
// `strides` of the tensor, whose elements fill the memory.
PyObject *pool_tensor_wrap(PoolTensor *t, DLDataType dtype, int ndim, const int64_t *shape, const int64_t *strides);

// A tensor on memory that somebody else owns and that outlives every use of the tensor.
PyObject *tensor_borrowing(void *data, DLDataType dtype, int ndim, const int64_t *shape);

constexpr int kMaxRank = 16;

}  // namespace jic
