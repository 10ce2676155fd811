// RUN: jic-opt %s --jic-sum-of-products | filecheck %s

// The batch dim joins the contracted one: views only, as the operands lie.
// CHECK-LABEL: func.func @gradient
// CHECK-SAME: %[[A:[^:]*]]: tensor<7x5x3xf32>, %[[B:[^:]*]]: tensor<7x5x4xf32>
// CHECK: %[[L:.*]] = "jic.reshape"(%[[A]]) : (tensor<7x5x3xf32>) -> tensor<35x3xf32>
// CHECK: %[[R:.*]] = "jic.reshape"(%[[B]]) : (tensor<7x5x4xf32>) -> tensor<35x4xf32>
// CHECK: %[[P:.*]] = "jic.matmul"(%[[L]], %[[R]]) {transpose_lhs = true, transpose_rhs = false} : {{.*}} -> tensor<3x4xf32>
// CHECK-NOT: jic.reduce
// CHECK: return %[[P]]
func.func @gradient(%a: tensor<7x5x3xf32>, %b: tensor<7x5x4xf32>) -> tensor<3x4xf32> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = false} : (tensor<7x5x3xf32>, tensor<7x5x4xf32>) -> tensor<7x3x4xf32>
  %1 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 0>} : (tensor<7x3x4xf32>) -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// Two batch dims, and an operand that is transposed first: it is smaller than the batch of products.
// CHECK-LABEL: func.func @transposed
// CHECK: %[[T:.*]] = "jic.transpose"(%{{.*}}) {permutation = array<i64: 0, 1, 3, 2>} : (tensor<2x7x3x2xf32>) -> tensor<2x7x2x3xf32>
// CHECK: "jic.reshape"(%[[T]]) : (tensor<2x7x2x3xf32>) -> tensor<28x3xf32>
// CHECK: "jic.matmul"{{.*}} : (tensor<28x3xf32>, tensor<28x4xf32>) -> tensor<3x4xf32>
// CHECK-NOT: jic.reduce
// CHECK: return
func.func @transposed(%a: tensor<2x7x3x2xf32>, %b: tensor<2x7x2x4xf32>) -> tensor<3x4xf32> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x7x3x2xf32>, tensor<2x7x2x4xf32>) -> tensor<2x7x3x4xf32>
  %1 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 0, 1>} : (tensor<2x7x3x4xf32>) -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// Kept: a sum over something else, another reduction, products that are needed themselves, more to transpose than to sum.
// CHECK-LABEL: func.func @kept
// CHECK-COUNT-4: jic.reduce
// CHECK: return
func.func @kept(%a: tensor<7x5x3xf32>, %b: tensor<7x5x4xf32>, %c: tensor<7x3x9xf32>, %d: tensor<7x9x4xf32>)
    -> (tensor<7x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<7x3x4xf32>, tensor<3x4xf32>) {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = false} : (tensor<7x5x3xf32>, tensor<7x5x4xf32>) -> tensor<7x3x4xf32>
  %1 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 1>} : (tensor<7x3x4xf32>) -> tensor<7x4xf32>
  %2 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = false} : (tensor<7x5x3xf32>, tensor<7x5x4xf32>) -> tensor<7x3x4xf32>
  %3 = "jic.reduce"(%2) {kind = "max", dims = array<i64: 0>} : (tensor<7x3x4xf32>) -> tensor<3x4xf32>
  %4 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = false} : (tensor<7x5x3xf32>, tensor<7x5x4xf32>) -> tensor<7x3x4xf32>
  %5 = "jic.reduce"(%4) {kind = "sum", dims = array<i64: 0>} : (tensor<7x3x4xf32>) -> tensor<3x4xf32>
  %6 = "jic.matmul"(%c, %d) {transpose_lhs = false, transpose_rhs = false} : (tensor<7x3x9xf32>, tensor<7x9x4xf32>) -> tensor<7x3x4xf32>
  %7 = "jic.reduce"(%6) {kind = "sum", dims = array<i64: 0>} : (tensor<7x3x4xf32>) -> tensor<3x4xf32>
  return %1, %3, %5, %4, %7 : tensor<7x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<7x3x4xf32>, tensor<3x4xf32>
}
