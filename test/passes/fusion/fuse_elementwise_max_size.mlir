// RUN: jic-opt %s --pass-pipeline='builtin.module(jic-fuse-elementwise{max-size=2})' | filecheck %s

// CHECK-LABEL: func.func @chain
// CHECK: "jic.fused"
// CHECK: "jic.exp"
// CHECK-NEXT: "jic.tanh"
// CHECK-NEXT: "jic.yield"
// CHECK: "jic.fused"
// CHECK: "jic.sin"
// CHECK-NEXT: "jic.cos"
// CHECK-NEXT: "jic.yield"
func.func @chain(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = "jic.exp"(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "jic.tanh"(%0) : (tensor<8xf32>) -> tensor<8xf32>
  %2 = "jic.sin"(%1) : (tensor<8xf32>) -> tensor<8xf32>
  %3 = "jic.cos"(%2) : (tensor<8xf32>) -> tensor<8xf32>
  return %3 : tensor<8xf32>
}
