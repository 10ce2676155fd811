// RUN: jic-opt %s --jic-fold-views | filecheck %s

// A linear layer: the weight's transpose becomes a flag, the reshape sinks below bias and residual.
// CHECK-LABEL: func.func @linear
// CHECK: %[[X:.*]] = "jic.reshape"(%arg0)
// CHECK: %[[M:.*]] = "jic.matmul"(%[[X]], %arg1) {transpose_lhs = false, transpose_rhs = true}
// CHECK: %[[B:.*]] = "jic.broadcast"(%arg2) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<6x4xf32>
// CHECK: %[[S:.*]] = "jic.add"(%[[M]], %[[B]])
// CHECK: %[[R:.*]] = "jic.reshape"(%arg3) : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
// CHECK: %[[T:.*]] = "jic.add"(%[[S]], %[[R]])
// CHECK: "jic.reshape"(%[[T]]) : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
func.func @linear(%x: tensor<2x3x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>, %r: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %0 = "jic.reshape"(%x) : (tensor<2x3x8xf32>) -> tensor<6x8xf32>
  %1 = "jic.transpose"(%w) {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %2 = "jic.matmul"(%0, %1) {transpose_lhs = false, transpose_rhs = false} : (tensor<6x8xf32>, tensor<8x4xf32>) -> tensor<6x4xf32>
  %3 = "jic.reshape"(%2) : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
  %4 = "jic.reshape"(%b) : (tensor<4xf32>) -> tensor<1x1x4xf32>
  %5 = "jic.broadcast"(%4) {dims = array<i64: 0, 1, 2>} : (tensor<1x1x4xf32>) -> tensor<2x3x4xf32>
  %6 = "jic.add"(%3, %5) : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %7 = "jic.add"(%6, %r) : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %7 : tensor<2x3x4xf32>
}

// Without a matmul, a reshape stays above an op whose other operand has another history.
// CHECK-LABEL: func.func @stays
// CHECK-NEXT: "jic.reshape"(%arg0)
// CHECK-NEXT: "jic.add"(%{{.*}}, %arg1)
func.func @stays(%x: tensor<6xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "jic.reshape"(%x) : (tensor<6xf32>) -> tensor<2x3xf32>
  %1 = "jic.add"(%0, %y) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// Reshapes meet: nothing is left of them.
// CHECK-LABEL: func.func @meet
// CHECK-NEXT: %[[S:.*]] = "jic.add"(%arg0, %arg1) : (tensor<6xf32>, tensor<6xf32>)
// CHECK-NEXT: return %[[S]]
func.func @meet(%x: tensor<6xf32>, %y: tensor<6xf32>) -> tensor<6xf32> {
  %0 = "jic.reshape"(%x) : (tensor<6xf32>) -> tensor<2x3xf32>
  %1 = "jic.reshape"(%y) : (tensor<6xf32>) -> tensor<2x3xf32>
  %2 = "jic.add"(%0, %1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = "jic.reshape"(%2) : (tensor<2x3xf32>) -> tensor<6xf32>
  return %3 : tensor<6xf32>
}

// CHECK-LABEL: func.func @transposes
// CHECK-NEXT: %[[E:.*]] = "jic.exp"(%arg0)
// CHECK-NEXT: return %[[E]]
func.func @transposes(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = "jic.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = "jic.exp"(%0) : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %2 = "jic.transpose"(%1) {permutation = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// Only dims of size 1 move; a transpose that really moves something stays.
// CHECK-LABEL: func.func @unit_dims
// CHECK-NEXT: "jic.reshape"(%arg0)
// CHECK-NEXT: "jic.transpose"(%arg1)
func.func @unit_dims(%x: tensor<2x1x3xf32>, %y: tensor<2x3xf32>) -> (tensor<1x2x3xf32>, tensor<3x2xf32>) {
  %0 = "jic.transpose"(%x) {permutation = array<i64: 1, 0, 2>} : (tensor<2x1x3xf32>) -> tensor<1x2x3xf32>
  %1 = "jic.transpose"(%y) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return %0, %1 : tensor<1x2x3xf32>, tensor<3x2xf32>
}

// A slice of a concat reads one part, if it lies in one; adjoining slices are one.
// CHECK-LABEL: func.func @slices
// CHECK-NEXT: "jic.concat"(%arg0, %arg1)
// CHECK-NEXT: "jic.slice"(%arg1) {offsets = array<i64: 1>, strides = array<i64: 1>}
// CHECK-NEXT: "jic.slice"(%{{.*}}) {offsets = array<i64: 3>
// CHECK-NEXT: return %{{.*}}, %{{.*}}, %arg0
func.func @slices(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<4xf32>) {
  %0 = "jic.concat"(%x, %y) {dim = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %1 = "jic.slice"(%0) {offsets = array<i64: 5>, strides = array<i64: 1>} : (tensor<8xf32>) -> tensor<2xf32>
  %2 = "jic.slice"(%0) {offsets = array<i64: 3>, strides = array<i64: 1>} : (tensor<8xf32>) -> tensor<2xf32>
  %3 = "jic.slice"(%x) {offsets = array<i64: 0>, strides = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  %4 = "jic.slice"(%x) {offsets = array<i64: 1>, strides = array<i64: 1>} : (tensor<4xf32>) -> tensor<3xf32>
  %5 = "jic.concat"(%3, %4) {dim = 0 : i64} : (tensor<1xf32>, tensor<3xf32>) -> tensor<4xf32>
  return %1, %2, %5 : tensor<2xf32>, tensor<2xf32>, tensor<4xf32>
}

// The keys of attention: the transpose goes through the reshape of the batch dims.
// CHECK-LABEL: func.func @keys
// CHECK: %[[K:.*]] = "jic.reshape"(%arg1) : (tensor<2x4x5x8xf32>) -> tensor<8x5x8xf32>
// CHECK: "jic.matmul"(%arg0, %[[K]]) {transpose_lhs = false, transpose_rhs = true}
func.func @keys(%q: tensor<8x5x8xf32>, %k: tensor<2x4x5x8xf32>) -> tensor<8x5x5xf32> {
  %0 = "jic.transpose"(%k) {permutation = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = "jic.reshape"(%0) : (tensor<2x4x8x5xf32>) -> tensor<8x8x5xf32>
  %2 = "jic.matmul"(%q, %1) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x5x8xf32>, tensor<8x8x5xf32>) -> tensor<8x5x5xf32>
  return %2 : tensor<8x5x5xf32>
}

// Indices in even steps are a slice; an index out of range, below zero too, stays an error.
// CHECK-LABEL: func.func @indices
// CHECK: %[[S:.*]] = "jic.slice"(%arg0) {offsets = array<i64: 1>, strides = array<i64: 2>} : (tensor<8xf32>) -> tensor<4xf32>
// CHECK: "jic.reshape"(%[[S]]) : (tensor<4xf32>) -> tensor<2x2xf32>
// CHECK-COUNT-2: jic.index_select
func.func @indices(%x: tensor<8xf32>) -> (tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %0 = "jic.constant"() {value = dense<[[1, 3], [5, 7]]> : tensor<2x2xi64>} : () -> tensor<2x2xi64>
  %1 = "jic.index_select"(%x, %0) {dim = 0 : i64} : (tensor<8xf32>, tensor<2x2xi64>) -> tensor<2x2xf32>
  %2 = "jic.constant"() {value = dense<[7, 8]> : tensor<2xi64>} : () -> tensor<2xi64>
  %3 = "jic.index_select"(%x, %2) {dim = 0 : i64} : (tensor<8xf32>, tensor<2xi64>) -> tensor<2xf32>
  %4 = "jic.constant"() {value = dense<[-1, 0]> : tensor<2xi64>} : () -> tensor<2xi64>
  %5 = "jic.index_select"(%x, %4) {dim = 0 : i64} : (tensor<8xf32>, tensor<2xi64>) -> tensor<2xf32>
  return %1, %3, %5 : tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>
}
