// RUN: jic-opt %s --jic-fuse-contraction | filecheck %s

// Bias, activation and residual in the product's shape, although they stand behind a reshape.
// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X:.*]]: tensor<2x8x64xf32>, %[[W:.*]]: tensor<32x64xf32>, %[[B:.*]]: tensor<32xf32>, %[[R:.*]]: tensor<2x8x32xf32>)
// CHECK-DAG: %[[X2:.*]] = "jic.reshape"(%[[X]]) : (tensor<2x8x64xf32>) -> tensor<16x64xf32>
// CHECK-DAG: %[[R2:.*]] = "jic.reshape"(%[[R]]) : (tensor<2x8x32xf32>) -> tensor<16x32xf32>
// CHECK: %[[F:.*]] = "jic.fused"({{.*}}) ({
// CHECK: "jic.matmul"
// CHECK: "jic.broadcast"(%{{.*}}) {dims = array<i64: 1>} : (tensor<32xf32>) -> tensor<16x32xf32>
// CHECK: "jic.add"
// CHECK: "jic.tanh"
// CHECK: "jic.add"
// CHECK: kind = "contraction"
// CHECK: %[[Y:.*]] = "jic.reshape"(%[[F]]) : (tensor<16x32xf32>) -> tensor<2x8x32xf32>
// CHECK: return %[[Y]]
func.func @linear(%x: tensor<2x8x64xf32>, %w: tensor<32x64xf32>, %b: tensor<32xf32>, %r: tensor<2x8x32xf32>) -> tensor<2x8x32xf32> {
  %0 = "jic.reshape"(%x) : (tensor<2x8x64xf32>) -> tensor<16x64xf32>
  %1 = "jic.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<16x64xf32>, tensor<32x64xf32>) -> tensor<16x32xf32>
  %2 = "jic.reshape"(%1) : (tensor<16x32xf32>) -> tensor<2x8x32xf32>
  %3 = "jic.broadcast"(%b) {dims = array<i64: 2>} : (tensor<32xf32>) -> tensor<2x8x32xf32>
  %4 = "jic.add"(%2, %3) : (tensor<2x8x32xf32>, tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %5 = "jic.tanh"(%4) : (tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  %6 = "jic.add"(%5, %r) : (tensor<2x8x32xf32>, tensor<2x8x32xf32>) -> tensor<2x8x32xf32>
  return %6 : tensor<2x8x32xf32>
}

// A cheap prologue of an argument.
// CHECK-LABEL: func.func @prologue
// CHECK: "jic.fused"
// CHECK: "jic.convert"
// CHECK: "jic.matmul"
func.func @prologue(%x: tensor<4x8xbf16>, %w: tensor<8x4xf32>) -> tensor<4x4xf32> {
  %0 = "jic.convert"(%x) : (tensor<4x8xbf16>) -> tensor<4x8xf32>
  %1 = "jic.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// An expensive op stays outside.
// CHECK-LABEL: func.func @no_prologue
// CHECK-NOT: "jic.fused"
// CHECK: return
func.func @no_prologue(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>) -> tensor<4x4xf32> {
  %0 = "jic.exp"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = "jic.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// A transpose is no epilogue, and neither is an op that does not read the product.
// CHECK-LABEL: func.func @no_epilogue
// CHECK: "jic.matmul"
// CHECK-NEXT: "jic.transpose"
// CHECK-NOT: "jic.fused"
// CHECK: return
func.func @no_epilogue(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>) -> tensor<4x4xf32> {
  %0 = "jic.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<4x4xf32>
  %1 = "jic.transpose"(%0) {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// The product before the activation is read elsewhere: two results.
// CHECK-LABEL: func.func @two_results
// CHECK: %[[F:.*]]:2 = "jic.fused"
// CHECK: return %[[F]]#0, %[[F]]#1
func.func @two_results(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %0 = "jic.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x4xf32>) -> tensor<4x4xf32>
  %1 = "jic.relu"(%0) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0, %1 : tensor<4x4xf32>, tensor<4x4xf32>
}
