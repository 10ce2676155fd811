// RUN: jic-opt %s --jic-fuse-concat --jic-fuse-scan | filecheck %s

// CHECK-LABEL: func.func @concat
// CHECK: "jic.fused"
// CHECK: "jic.neg"
// CHECK: "jic.concat"
// CHECK: kind = "concat"
func.func @concat(%x: tensor<4x8xf32>, %y: tensor<4x3xf32>) -> tensor<4x11xf32> {
  %0 = "jic.neg"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = "jic.concat"(%0, %y) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xf32>) -> tensor<4x11xf32>
  return %1 : tensor<4x11xf32>
}

// CHECK-LABEL: func.func @scan
// CHECK-NEXT: "jic.fused"
// CHECK: "jic.exp"
// CHECK: "jic.cumulative"
// CHECK: "jic.mul"
// CHECK: kind = "scan"
func.func @scan(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.exp"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = "jic.cumulative"(%0) {kind = "sum", dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = "jic.mul"(%1, %y) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}
