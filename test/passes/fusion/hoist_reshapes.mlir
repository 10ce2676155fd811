// RUN: jic-opt %s --jic-hoist-reshapes | filecheck %s
// RUN: jic-opt %s --jic-hoist-reshapes --jic-fuse-elementwise | filecheck %s --check-prefix=FUSED

// CHECK-LABEL: func.func @heads
// CHECK: %[[S:.*]] = "jic.slice"
// CHECK-NEXT: %[[R:.*]] = "jic.reshape"(%[[S]]) : (tensor<1x10x2x64xf32>) -> tensor<10x2x4x16xf32>
// CHECK-NEXT: %[[T:.*]] = "jic.transpose"(%[[R]]) {permutation = array<i64: 1, 2, 0, 3>}
// CHECK-NEXT: return %[[T]]
// FUSED-LABEL: func.func @heads
// FUSED: "jic.fused"(%arg0)
// FUSED-NOT: "jic.fused"
// FUSED: return
func.func @heads(%x: tensor<3x10x2x64xf32>) -> tensor<2x4x10x16xf32> {
  %0 = "jic.slice"(%x) {offsets = array<i64: 1, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : (tensor<3x10x2x64xf32>) -> tensor<1x10x2x64xf32>
  %1 = "jic.reshape"(%0) : (tensor<1x10x2x64xf32>) -> tensor<10x8x16xf32>
  %2 = "jic.transpose"(%1) {permutation = array<i64: 1, 0, 2>} : (tensor<10x8x16xf32>) -> tensor<8x10x16xf32>
  %3 = "jic.reshape"(%2) : (tensor<8x10x16xf32>) -> tensor<2x4x10x16xf32>
  return %3 : tensor<2x4x10x16xf32>
}

// A reshape that merges dims across the transpose has to stay, and so has one whose transpose is read elsewhere.
// CHECK-LABEL: func.func @stays
// CHECK-NEXT: "jic.transpose"
// CHECK-NEXT: "jic.reshape"
// CHECK-NEXT: "jic.transpose"
// CHECK-NEXT: "jic.reshape"
// CHECK-NEXT: return
func.func @stays(%x: tensor<4x6xf32>) -> (tensor<24xf32>, tensor<6x4xf32>, tensor<2x3x4xf32>) {
  %0 = "jic.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %1 = "jic.reshape"(%0) : (tensor<6x4xf32>) -> tensor<24xf32>
  %2 = "jic.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %3 = "jic.reshape"(%2) : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  return %1, %2, %3 : tensor<24xf32>, tensor<6x4xf32>, tensor<2x3x4xf32>
}
