// RUN: jic-opt %s --jic-form-kernels | filecheck %s

// Each op a kernel; the splat constant is copied in, the dense one stays, the reshape too, and the dead op goes.
// CHECK-LABEL: func.func @main
// CHECK: %[[D:.*]] = "jic.constant"() {value = dense<[1.000000e+00, 2.000000e+00
// CHECK: "jic.fused"(%{{.*}}) ({
// CHECK: "jic.constant"() {value = dense<2.000000e+00>
// CHECK-NEXT: "jic.mul"
// CHECK: kind = "pointwise"
// CHECK: "jic.fused"(%{{.*}}, %[[D]])
// CHECK: "jic.add"
// CHECK: "jic.reshape"
// CHECK: "jic.fused"
// CHECK: "jic.transpose"
// CHECK: "jic.fused"
// CHECK: "jic.matmul"
// CHECK: kind = "contraction"
// CHECK-NOT: "jic.exp"
// CHECK: return
func.func @main(%x: tensor<4xf32>) -> tensor<2x2xf32> {
  %c = "jic.constant"() {value = dense<2.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %d = "jic.constant"() {value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.mul"(%x, %c) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.add"(%0, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "jic.reshape"(%1) : (tensor<4xf32>) -> tensor<2x2xf32>
  %3 = "jic.transpose"(%2) {permutation = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = "jic.matmul"(%3, %2) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %5 = "jic.exp"(%4) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %4 : tensor<2x2xf32>
}
