// RUN: jic-opt %s --jic-fuse-elementwise | filecheck %s

// A chain, with a broadcast read through.
// CHECK-LABEL: func.func @chain
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<8xf32>)
// CHECK: %[[F:.*]] = "jic.fused"(%[[X]], %[[B]])
// CHECK: "jic.broadcast"
// CHECK-NEXT: "jic.add"
// CHECK-NEXT: %[[T:.*]] = "jic.tanh"
// CHECK-NEXT: "jic.yield"(%[[T]])
// CHECK: kind = "pointwise"
// CHECK: return %[[F]]
func.func @chain(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<8xf32>) -> tensor<4x8xf32>
  %1 = "jic.add"(%x, %0) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = "jic.tanh"(%1) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// A diamond of which two results leave.
// CHECK-LABEL: func.func @diamond
// CHECK: %[[F:.*]]:2 = "jic.fused"(%{{.*}})
// CHECK: "jic.exp"
// CHECK: "jic.yield"(%{{.*}}, %{{.*}})
// CHECK-NOT: "jic.fused"
// CHECK: return %[[F]]#0, %[[F]]#1
func.func @diamond(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = "jic.exp"(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "jic.tanh"(%0) : (tensor<8xf32>) -> tensor<8xf32>
  %2 = "jic.sin"(%0) : (tensor<8xf32>) -> tensor<8xf32>
  %3 = "jic.add"(%1, %2) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %1, %3 : tensor<8xf32>, tensor<8xf32>
}

// A transpose is read through; what it transposes, too.
// CHECK-LABEL: func.func @through_a_transpose
// CHECK: "jic.fused"
// CHECK: "jic.exp"{{.*}} -> tensor<8x4xf32>
// CHECK: "jic.transpose"
// CHECK: "jic.mul"
func.func @through_a_transpose(%x: tensor<8x4xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.exp"(%x) : (tensor<8x4xf32>) -> tensor<8x4xf32>
  %1 = "jic.transpose"(%0) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %2 = "jic.mul"(%1, %y) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// A reshape between elementwise ops: the kernel has one shape, and the reshape stands outside.
// CHECK-LABEL: func.func @through_a_reshape
// CHECK: %[[R:.*]] = "jic.reshape"(%{{.*}}) : (tensor<2x4x8xf32>) -> tensor<8x8xf32>
// CHECK: "jic.fused"(%[[R]])
// CHECK-NEXT: ^bb0
// CHECK-NEXT: "jic.exp"{{.*}} -> tensor<8x8xf32>
// CHECK-NEXT: "jic.tanh"
func.func @through_a_reshape(%x: tensor<2x4x8xf32>) -> tensor<8x8xf32> {
  %0 = "jic.exp"(%x) : (tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %1 = "jic.reshape"(%0) : (tensor<2x4x8xf32>) -> tensor<8x8xf32>
  %2 = "jic.tanh"(%1) : (tensor<8x8xf32>) -> tensor<8x8xf32>
  return %2 : tensor<8x8xf32>
}

// Two iteration spaces: exp is expensive and would be computed 64 times for each element.
// CHECK-LABEL: func.func @spaces
// CHECK: "jic.exp"(%{{.*}}) : (tensor<8xf32>)
// CHECK: "jic.fused"
// CHECK-NOT: "jic.exp"
// CHECK: return
func.func @spaces(%x: tensor<8xf32>, %y: tensor<64x8xf32>) -> tensor<64x8xf32> {
  %0 = "jic.exp"(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "jic.broadcast"(%0) {dims = array<i64: 1>} : (tensor<8xf32>) -> tensor<64x8xf32>
  %2 = "jic.mul"(%1, %y) : (tensor<64x8xf32>, tensor<64x8xf32>) -> tensor<64x8xf32>
  return %2 : tensor<64x8xf32>
}

// A cheap op that two kernels of different shapes read is computed in both.
// CHECK-LABEL: func.func @copied
// CHECK-COUNT-2: "jic.neg"
// CHECK-NOT: "jic.neg"
// CHECK: return
func.func @copied(%x: tensor<8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<7xf32>) {
  %0 = "jic.neg"(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "jic.broadcast"(%0) {dims = array<i64: 1>} : (tensor<8xf32>) -> tensor<4x8xf32>
  %2 = "jic.mul"(%1, %y) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = "jic.slice"(%0) {offsets = array<i64: 1>, strides = array<i64: 1>} : (tensor<8xf32>) -> tensor<7xf32>
  %4 = "jic.exp"(%3) : (tensor<7xf32>) -> tensor<7xf32>
  return %2, %4 : tensor<4x8xf32>, tensor<7xf32>
}

// An ATen call between the two: one kernel of both would wait for itself.
// CHECK-LABEL: func.func @barrier
// CHECK: %[[A:.*]] = "jic.exp"
// CHECK: %[[C:.*]] = "jic.aten_call"(%[[A]])
// CHECK: "jic.add"(%[[A]], %[[C]])
func.func @barrier(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = "jic.exp"(%x) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "jic.aten_call"(%0) {callee = "aten.erfinv.default", arguments = [0 : index], keywords = {}, reason = "no lowering"} : (tensor<8xf32>) -> tensor<8xf32>
  %2 = "jic.add"(%0, %1) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %2 : tensor<8xf32>
}

// A look-up joins the elementwise ops; its table is an operand of the kernel.
// CHECK-LABEL: func.func @embedding
// CHECK: "jic.fused"
// CHECK: "jic.index_select"(%[[T:.*]], %{{.*}})
// CHECK: "jic.mul"
// CHECK: kind = "indexing"
func.func @embedding(%t: tensor<10x8xf32>, %i: tensor<4xi64>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.index_select"(%t, %i) {dim = 0 : i64} : (tensor<10x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %1 = "jic.mul"(%0, %y) : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
