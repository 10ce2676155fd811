// RUN: jic-opt %s --jic-merge-contractions | filecheck %s

// The gates of a cell: one product with the weights side by side, and slices of it.
// CHECK-LABEL: func.func @gates
// CHECK-SAME: %[[W:[^:]*]]: tensor<4x3xf32>, %[[U:[^:]*]]: tensor<5x3xf32>
// CHECK: %[[C:.*]] = "jic.concat"(%[[W]], %[[U]]) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<5x3xf32>) -> tensor<9x3xf32>
// CHECK: "jic.loop"
// CHECK: %[[P:.*]] = "jic.matmul"(%{{.*}}, %[[C]]) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x3xf32>, tensor<9x3xf32>) -> tensor<2x9xf32>
// CHECK: "jic.slice"(%[[P]]) {offsets = array<i64: 0, 0>{{.*}} -> tensor<2x4xf32>
// CHECK: "jic.slice"(%[[P]]) {offsets = array<i64: 0, 4>{{.*}} -> tensor<2x5xf32>
// CHECK-NOT: "jic.matmul"
// CHECK: return
func.func @gates(%n: tensor<i64>, %w: tensor<4x3xf32>, %u: tensor<5x3xf32>, %h0: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<2x3xf32>):
    %0 = "jic.matmul"(%h, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
    %1 = "jic.matmul"(%h, %u) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x3xf32>, tensor<5x3xf32>) -> tensor<2x5xf32>
    %2 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2xf32>
    %3 = "jic.reduce"(%1) {kind = "sum", dims = array<i64: 1>} : (tensor<2x5xf32>) -> tensor<2xf32>
    %4 = "jic.mul"(%2, %3) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %5 = "jic.broadcast"(%4) {dims = array<i64: 0>} : (tensor<2xf32>) -> tensor<2x3xf32>
    "jic.yield"(%5) : (tensor<2x3xf32>) -> ()
  }) : (tensor<i64>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// Not merged: two iterations do not pay for the concat; a weight that changes.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: "jic.concat"
// CHECK: return
func.func @kept(%n: tensor<i64>, %w: tensor<3x3xf32>, %u: tensor<3x3xf32>, %h0: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>) {
  %two = "jic.constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%two, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<3x3xf32>):
    %0 = "jic.matmul"(%h, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %1 = "jic.matmul"(%h, %u) {transpose_lhs = false, transpose_rhs = true} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %2 = "jic.mul"(%0, %1) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    "jic.yield"(%2) : (tensor<3x3xf32>) -> ()
  }) : (tensor<i64>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %s = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<3x3xf32>):
    %0 = "jic.matmul"(%h, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %1 = "jic.matmul"(%h, %h) {transpose_lhs = false, transpose_rhs = true} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %2 = "jic.mul"(%0, %1) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    "jic.yield"(%2) : (tensor<3x3xf32>) -> ()
  }) : (tensor<i64>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %r, %s : tensor<3x3xf32>, tensor<3x3xf32>
}
