#include "torch_api.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "../core/pool.h"

namespace jic {

TorchApi torch_api;

// The header of a pool tensor's memory. torch reads shape and strides while it makes the tensor and may do so until the deleter runs.
struct PoolTensor {
  DLManagedTensorVersioned managed;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];
};

namespace {

constexpr size_t kHeader = (sizeof(PoolTensor) + 63) / 64 * 64;

void delete_pool_tensor(DLManagedTensorVersioned *self) { pool_free(self); }

void fill(DLManagedTensorVersioned *m, void *data, DLDataType dtype, int ndim, const int64_t *shape, int64_t *own_shape,
          int64_t *own_strides) {
  m->version = {1, 0};
  m->manager_ctx = nullptr;
  m->flags = 0;
  m->dl_tensor = {data, {kDLCPU, 0}, ndim, dtype, own_shape, own_strides, 0};
  int64_t step = 1;
  for (int d = ndim - 1; d >= 0; --d) {
    own_shape[d] = shape[d];
    own_strides[d] = step;
    step *= std::max<int64_t>(shape[d], 1);
  }
}

PyObject *to_python(DLManagedTensorVersioned *m) {
  void *object = nullptr;
  if (torch_api.dlpack->managed_tensor_to_py_object_no_sync(m, &object)) return nullptr;
  return static_cast<PyObject *>(object);
}

PyObject *method(PyObject *type, const char *name) {
  PyObject *found = PyObject_GetAttrString(type, name);
  if (!found) throw std::runtime_error(std::string("torch.Tensor has no ") + name);
  return found;
}

int call_flag(PyObject *callable, PyObject *tensor) {
  PyObject *arguments[2] = {nullptr, tensor};
  PyObject *answer = PyObject_Vectorcall(callable, arguments + 1, (tensor ? 1 : 0) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  if (!answer) return -1;
  int flag = answer == Py_True;
  Py_DECREF(answer);
  return flag;
}

// Where a tensor object holds the pointer that its `_cdata` tells: the same place in a tensor and a parameter, or 0 where there is none.
// Reading it saves 0.1 us a tensor against the attribute `requires_grad`.
Py_ssize_t find_impl(PyObject *tensor_type, PyObject *parameter_type) {
  Py_ssize_t found = 0;
  for (PyObject *type : {tensor_type, parameter_type}) {
    PyObject *tensor = PyObject_CallNoArgs(type);
    PyObject *number = tensor ? PyObject_GetAttrString(tensor, "_cdata") : nullptr;
    uintptr_t impl = number ? uintptr_t(PyLong_AsSize_t(number)) : 0;
    Py_ssize_t at = 0;
    if (impl && !PyErr_Occurred())
      for (Py_ssize_t k = sizeof(PyObject); !at && k + 8 <= Py_TYPE(tensor)->tp_basicsize; k += 8)
        if (!std::memcmp(reinterpret_cast<char *>(tensor) + k, &impl, sizeof impl)) at = k;
    PyErr_Clear();
    Py_XDECREF(number);
    Py_XDECREF(tensor);
    if (!at || (found && at != found)) return 0;
    found = at;
  }
  return found;
}

}  // namespace

void torch_initialize(PyObject *tensor, PyObject *parameter, PyObject *is_grad_enabled, const char *c10_path) {
  TorchApi api;
  PyObject *capsule = method(tensor, "__dlpack_c_exchange_api__");
  api.dlpack = static_cast<const DLPackExchangeAPI *>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
  Py_DECREF(capsule);
  if (!api.dlpack || api.dlpack->version.major != 1 || !api.dlpack->dltensor_from_py_object_no_sync) {
    PyErr_Clear();
    throw std::runtime_error("torch offers no DLPack exchange API of version 1");
  }
  Py_INCREF(tensor);
  Py_INCREF(parameter);
  Py_INCREF(is_grad_enabled);
  api.tensor = reinterpret_cast<PyTypeObject *>(tensor);
  api.parameter = reinterpret_cast<PyTypeObject *>(parameter);
  api.is_neg = method(tensor, "is_neg");
  api.is_conj = method(tensor, "is_conj");
  api.grad_enabled_callable = is_grad_enabled;
  PyObject *descriptor = method(tensor, "requires_grad");
  if (Py_TYPE(descriptor) == &PyGetSetDescr_Type) {  // called without the descriptor's own checks; the reference is kept
    auto *definition = reinterpret_cast<PyGetSetDescrObject *>(descriptor)->d_getset;
    api.requires_grad = definition->get;
    api.requires_grad_closure = definition->closure;
  } else {
    Py_DECREF(descriptor);
  }
  if (c10_path)
    if (void *library = dlopen(c10_path, RTLD_LAZY | RTLD_NOLOAD)) {
      api.grad_enabled = reinterpret_cast<bool (*)()>(dlsym(library, "_ZN3c108GradMode10is_enabledEv"));
      api.modes_set = reinterpret_cast<bool (*)(bool)>(dlsym(library, "_ZN3c104impl20TorchDispatchModeTLS13any_modes_setEb"));
      api.impl_requires_grad = reinterpret_cast<bool (*)(const void *)>(dlsym(library, "_ZNK3c1010TensorImpl13requires_gradEv"));
      api.impl_offset = find_impl(tensor, parameter);
      if (!api.impl_offset) api.impl_requires_grad = nullptr;
    }
  api.layout = torch_api.layout;
  torch_api = api;
}

int grad_mode() {
  if (torch_api.grad_enabled) return torch_api.grad_enabled();
  return call_flag(torch_api.grad_enabled_callable, nullptr);
}

int tensor_requires_grad(PyObject *tensor) {
  if (torch_api.impl_requires_grad) {
    void *impl;
    std::memcpy(&impl, reinterpret_cast<char *>(tensor) + torch_api.impl_offset, sizeof impl);
    return torch_api.impl_requires_grad(impl);
  }
  PyObject *answer = torch_api.requires_grad ? torch_api.requires_grad(tensor, torch_api.requires_grad_closure)
                                             : PyObject_GetAttrString(tensor, "requires_grad");
  if (!answer) return -1;
  int flag = answer == Py_True;
  Py_DECREF(answer);
  return flag;
}

int tensor_is_lazy(PyObject *tensor, bool complex_numbers) {
  int negative = call_flag(torch_api.is_neg, tensor);
  if (negative || !complex_numbers) return negative;
  return call_flag(torch_api.is_conj, tensor);
}

PoolTensor *pool_tensor_allocate(size_t bytes, void **data) noexcept {
  if (bytes > size_t(1) << 50) return nullptr;
  void *memory = pool_allocate(kHeader + bytes);
  if (!memory) return nullptr;
  *data = static_cast<char *>(memory) + kHeader;
  return static_cast<PoolTensor *>(memory);
}

void pool_tensor_discard(PoolTensor *t) noexcept { pool_free(t); }

PyObject *pool_tensor_wrap(PoolTensor *t, DLDataType dtype, int ndim, const int64_t *shape, const int64_t *strides) {
  fill(&t->managed, reinterpret_cast<char *>(t) + kHeader, dtype, ndim, shape, t->shape, t->strides);
  std::copy(strides, strides + ndim, t->strides);
  t->managed.deleter = delete_pool_tensor;
  PyObject *object = to_python(&t->managed);
  return object;
}

PyObject *tensor_borrowing(void *data, DLDataType dtype, int ndim, const int64_t *shape) {
  auto *t = new (std::nothrow) PoolTensor;
  if (!t) return PyErr_NoMemory();
  fill(&t->managed, data, dtype, ndim, shape, t->shape, t->strides);
  t->managed.deleter = [](DLManagedTensorVersioned *self) { delete reinterpret_cast<PoolTensor *>(self); };
  return to_python(&t->managed);
}

}  // namespace jic
