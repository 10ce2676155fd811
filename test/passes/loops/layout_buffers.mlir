// RUN: jic-opt %s --jic-layout-buffers | filecheck %s

// The stacked outputs are transposed after the loop: they are written that way.

// CHECK-LABEL: func.func @stacked(
// CHECK: %[[INIT:.*]] = "jic.constant"() {value = dense<0.000000e+00> : tensor<4x10x8xf32>}
// CHECK: %[[LOOP:.*]] = "jic.loop"(%{{.*}}, %[[INIT]]) ({
// CHECK: ^bb0(%[[I:.*]]: tensor<i64>, %[[BUFFER:.*]]: tensor<4x10x8xf32>):
// CHECK: %[[ROW:.*]] = "jic.transpose"(%{{.*}}) {permutation = array<i64: 1, 0, 2>} : (tensor<1x4x8xf32>) -> tensor<4x1x8xf32>
// CHECK: "jic.dynamic_update"(%[[BUFFER]], %[[ROW]], %[[I]]) {dim = 1 : i64}
// CHECK: return %[[LOOP]] : tensor<4x10x8xf32>
func.func @stacked(%row: tensor<1x4x8xf32>) -> tensor<4x10x8xf32> {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %zeros = "jic.constant"() {value = dense<0.0> : tensor<10x4x8xf32>} : () -> tensor<10x4x8xf32>
  %0 = "jic.loop"(%n, %zeros) ({
  ^bb0(%i: tensor<i64>, %buffer: tensor<10x4x8xf32>):
    %1 = "jic.dynamic_update"(%buffer, %row, %i) {dim = 0 : i64} : (tensor<10x4x8xf32>, tensor<1x4x8xf32>, tensor<i64>) -> tensor<10x4x8xf32>
    "jic.yield"(%1) : (tensor<10x4x8xf32>) -> ()
  }) : (tensor<i64>, tensor<10x4x8xf32>) -> tensor<10x4x8xf32>
  %2 = "jic.transpose"(%0) {permutation = array<i64: 1, 0, 2>} : (tensor<10x4x8xf32>) -> tensor<4x10x8xf32>
  return %2 : tensor<4x10x8xf32>
}

// Two uses that differ, and a buffer that the body reads: nothing changes.

// CHECK-LABEL: func.func @kept(
// CHECK: "jic.constant"() {value = dense<0.000000e+00> : tensor<10x4xf32>}
// CHECK: "jic.dynamic_update"(%{{.*}}, %{{.*}}, %{{.*}}) {dim = 0 : i64}
// CHECK: "jic.transpose"
func.func @kept(%row: tensor<1x4xf32>) -> (tensor<4x10xf32>, tensor<10x4xf32>) {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %zeros = "jic.constant"() {value = dense<0.0> : tensor<10x4xf32>} : () -> tensor<10x4xf32>
  %0 = "jic.loop"(%n, %zeros) ({
  ^bb0(%i: tensor<i64>, %buffer: tensor<10x4xf32>):
    %1 = "jic.dynamic_update"(%buffer, %row, %i) {dim = 0 : i64} : (tensor<10x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<10x4xf32>
    "jic.yield"(%1) : (tensor<10x4xf32>) -> ()
  }) : (tensor<i64>, tensor<10x4xf32>) -> tensor<10x4xf32>
  %2 = "jic.transpose"(%0) {permutation = array<i64: 1, 0>} : (tensor<10x4xf32>) -> tensor<4x10xf32>
  return %2, %0 : tensor<4x10xf32>, tensor<10x4xf32>
}
