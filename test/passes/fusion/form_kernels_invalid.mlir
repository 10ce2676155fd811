// RUN: not jic-opt %s --jic-form-kernels 2>&1 | filecheck %s

// CHECK: form_kernels_invalid.mlir{{.*}}'jic.softmax' has no kernel of its own
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = "jic.softmax"(%x) {dim = 1 : i64, log = false} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}
