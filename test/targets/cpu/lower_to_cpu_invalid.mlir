// RUN: not jic-opt %s --jic-lower-to-cpu 2>&1 | filecheck %s

// CHECK: jic.exp is not allowed at the kernels level
func.func @main(%x: tensor<100xf32>) -> tensor<100xf32> {
  %0 = "jic.exp"(%x) : (tensor<100xf32>) -> tensor<100xf32>
  return %0 : tensor<100xf32>
}
