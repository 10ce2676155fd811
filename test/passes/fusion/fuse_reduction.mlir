// RUN: jic-opt %s --jic-fuse-reduction | filecheck %s

// CHECK-LABEL: func.func @softmax
// CHECK-NEXT: %[[F:.*]] = "jic.fused"
// CHECK: "jic.reduce"
// CHECK: "jic.exp"
// CHECK: "jic.reduce"
// CHECK: "jic.div"
// CHECK: kind = "reduction"
// CHECK-NEXT: return %[[F]]
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.reduce"(%x) {kind = "max", dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %1 = "jic.broadcast"(%0) {dims = array<i64: 0>} : (tensor<4xf32>) -> tensor<4x8xf32>
  %2 = "jic.sub"(%x, %1) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = "jic.exp"(%2) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %4 = "jic.reduce"(%3) {kind = "sum", dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %5 = "jic.broadcast"(%4) {dims = array<i64: 0>} : (tensor<4xf32>) -> tensor<4x8xf32>
  %6 = "jic.div"(%3, %5) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %6 : tensor<4x8xf32>
}

// A kept dim of size 1 is computed without it.
// CHECK-LABEL: func.func @keepdim
// CHECK: %[[F:.*]] = "jic.fused"
// CHECK: "jic.reduce"
// CHECK-NEXT: "jic.sqrt"{{.*}} -> tensor<4xf32>
// CHECK-NEXT: "jic.yield"
// CHECK: "jic.reshape"(%[[F]]) : (tensor<4xf32>) -> tensor<4x1xf32>
func.func @keepdim(%x: tensor<4x8xf32>) -> tensor<4x1xf32> {
  %0 = "jic.reduce"(%x) {kind = "sum", dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  %1 = "jic.reshape"(%0) : (tensor<4xf32>) -> tensor<4x1xf32>
  %2 = "jic.sqrt"(%1) : (tensor<4x1xf32>) -> tensor<4x1xf32>
  return %2 : tensor<4x1xf32>
}

// Reductions over different dims are two kernels, and so are two of different operands.
// CHECK-LABEL: func.func @other_dims
// CHECK-NOT: "jic.fused"
// CHECK: return
func.func @other_dims(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.reduce"(%x) {kind = "sum", dims = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4xf32>
  %1 = "jic.reduce"(%x) {kind = "sum", dims = array<i64: 0>} : (tensor<4x4xf32>) -> tensor<4xf32>
  %2 = "jic.reduce"(%y) {kind = "sum", dims = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// The second reduction needs the first one's matrix product: a cycle.
// CHECK-LABEL: func.func @cycle
// CHECK: "jic.matmul"
// CHECK: "jic.fused"
// CHECK: "jic.add"
// CHECK-NEXT: "jic.reduce"
// CHECK-NEXT: "jic.yield"
func.func @cycle(%x: tensor<4x4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.exp"(%x) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4xf32>
  %2 = "jic.matmul"(%0, %x) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = "jic.add"(%2, %0) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = "jic.reduce"(%3) {kind = "sum", dims = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4xf32>
  return %1, %4 : tensor<4xf32>, tensor<4xf32>
}
