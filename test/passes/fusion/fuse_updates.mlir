// RUN: jic-opt %s --jic-fuse-updates --jic-fuse-elementwise --jic-form-kernels | filecheck %s

// The state is computed once, stored and carried; both stores share the kernel. The slices are read where they are used.
// CHECK-LABEL: func.func @stored_and_carried
// CHECK: "jic.loop"
// CHECK: %[[X:.*]] = "jic.reshape"(%arg{{.*}}) : (tensor<2x4xf32>) -> tensor<2x1x4xf32>
// CHECK-NEXT: %[[K:.*]]:3 = "jic.fused"
// CHECK: "jic.dynamic_slice"
// CHECK: "jic.tanh"
// CHECK: "jic.dynamic_update"
// CHECK: "jic.dynamic_update"
// CHECK: kind = "update"
// CHECK-NOT: jic.fused
// CHECK: "jic.yield"
func.func @stored_and_carried(%x: tensor<2x8x4xf32>, %h: tensor<2x4xf32>, %a: tensor<2x8x4xf32>, %b: tensor<2x8x4xf32>, %n: tensor<i64>) -> (tensor<2x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>) {
  %0:3 = "jic.loop"(%n, %h, %a, %b) ({
  ^bb0(%i: tensor<i64>, %s: tensor<2x4xf32>, %p: tensor<2x8x4xf32>, %q: tensor<2x8x4xf32>):
    %1 = "jic.dynamic_slice"(%x, %i) {dim = 1 : i64} : (tensor<2x8x4xf32>, tensor<i64>) -> tensor<2x1x4xf32>
    %2 = "jic.reshape"(%1) : (tensor<2x1x4xf32>) -> tensor<2x4xf32>
    %3 = "jic.add"(%2, %s) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %4 = "jic.tanh"(%3) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    %5 = "jic.reshape"(%4) : (tensor<2x4xf32>) -> tensor<2x1x4xf32>
    %6 = "jic.dynamic_update"(%p, %5, %i) {dim = 1 : i64} : (tensor<2x8x4xf32>, tensor<2x1x4xf32>, tensor<i64>) -> tensor<2x8x4xf32>
    %7 = "jic.neg"(%5) : (tensor<2x1x4xf32>) -> tensor<2x1x4xf32>
    %8 = "jic.dynamic_update"(%q, %7, %i) {dim = 1 : i64} : (tensor<2x8x4xf32>, tensor<2x1x4xf32>, tensor<i64>) -> tensor<2x8x4xf32>
    "jic.yield"(%4, %6, %8) : (tensor<2x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> (tensor<2x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>)
  return %0#0, %0#1, %0#2 : tensor<2x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>
}

// What is updated is read by the update only: what else reads it is a kernel of its own, and stays before it.
// CHECK-LABEL: func.func @in_place
// CHECK: "jic.fused"(%arg0, %arg1)
// CHECK: "jic.dynamic_slice"
// CHECK: kind = "pointwise"
// CHECK: %[[S:.*]] = "jic.fused"(%arg0)
// CHECK: "jic.reduce"
// CHECK: "jic.fused"
// CHECK-NEXT: ^bb0(%[[N:.*]]: tensor<1x4xf32>, %[[B:.*]]: tensor<8x4xf32>, %[[I:.*]]: tensor<i64>):
// CHECK-NEXT: %[[E:.*]] = "jic.exp"(%[[N]])
// CHECK-NEXT: "jic.dynamic_update"(%[[B]], %[[E]], %[[I]])
// CHECK: kind = "update"
// CHECK: "jic.fused"(%[[S]])
// CHECK: "jic.sqrt"
func.func @in_place(%b: tensor<8x4xf32>, %i: tensor<i64>) -> (tensor<8x4xf32>, tensor<8xf32>) {
  %0 = "jic.dynamic_slice"(%b, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  %1 = "jic.exp"(%0) : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %2 = "jic.reduce"(%b) {kind = "sum", dims = array<i64: 1>} : (tensor<8x4xf32>) -> tensor<8xf32>
  %3 = "jic.dynamic_update"(%b, %1, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %4 = "jic.sqrt"(%2) : (tensor<8xf32>) -> tensor<8xf32>
  return %3, %4 : tensor<8x4xf32>, tensor<8xf32>
}

// The start is an argument, also where it is computed next to the slice; an update of everything is no update.
// CHECK-LABEL: func.func @start
// CHECK: %[[J:.*]] = "jic.fused"(%arg1)
// CHECK: "jic.add"
// CHECK: "jic.fused"(%arg0, %[[J]])
// CHECK: "jic.dynamic_slice"
// CHECK: "jic.neg"
// CHECK-NOT: jic.dynamic_update
func.func @start(%x: tensor<8xf32>, %i: tensor<i64>, %y: tensor<1xf32>) -> tensor<1xf32> {
  %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %j = "jic.add"(%i, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %0 = "jic.dynamic_slice"(%x, %j) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<1xf32>
  %1 = "jic.neg"(%0) : (tensor<1xf32>) -> tensor<1xf32>
  %2 = "jic.dynamic_update"(%y, %1, %j) {dim = 0 : i64} : (tensor<1xf32>, tensor<1xf32>, tensor<i64>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}
