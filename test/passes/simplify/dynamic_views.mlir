// RUN: jic-opt %s --jic-fold-views | filecheck %s

// At a constant, clamped; all of it; what was just stored; a splat.
// CHECK-LABEL: func.func @slices
// CHECK: %[[S:.*]] = "jic.slice"(%arg0) {offsets = array<i64: 7, 0>
// CHECK: %[[Z:.*]] = "jic.constant"() {value = dense<0.0{{.*}} : tensor<1x4xf32>
// CHECK: return %[[S]], %arg0, %arg1, %[[Z]]
func.func @slices(%x: tensor<8x4xf32>, %u: tensor<1x4xf32>, %i: tensor<i64>) -> (tensor<1x4xf32>, tensor<8x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %k = "jic.constant"() {value = dense<12> : tensor<i64>} : () -> tensor<i64>
  %z = "jic.constant"() {value = dense<0.0> : tensor<8x4xf32>} : () -> tensor<8x4xf32>
  %0 = "jic.dynamic_slice"(%x, %k) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  %1 = "jic.dynamic_slice"(%x, %i) {dim = 1 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %2 = "jic.dynamic_update"(%x, %u, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %3 = "jic.dynamic_slice"(%2, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  %4 = "jic.dynamic_slice"(%z, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  return %0, %1, %3, %4 : tensor<1x4xf32>, tensor<8x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// Above a transpose, a broadcast (along what it repeats there is nothing to slice), and a slice of another dim.
// CHECK-LABEL: func.func @views
// CHECK: %[[A:.*]] = "jic.dynamic_slice"(%arg0, %arg2) {dim = 0
// CHECK: "jic.transpose"(%[[A]])
// CHECK: %[[B:.*]] = "jic.reshape"(%arg1) : (tensor<4xf32>) -> tensor<1x4xf32>
// CHECK: %[[C:.*]] = "jic.dynamic_slice"(%arg1, %arg2) {dim = 0 : i64} : (tensor<4xf32>, tensor<i64>) -> tensor<2xf32>
// CHECK: "jic.broadcast"(%[[C]])
// CHECK: %[[D:.*]] = "jic.dynamic_slice"(%arg0, %arg2) {dim = 0
// CHECK: "jic.slice"(%[[D]])
func.func @views(%x: tensor<8x4xf32>, %v: tensor<4xf32>, %i: tensor<i64>) -> (tensor<4x2xf32>, tensor<1x4xf32>, tensor<8x2xf32>, tensor<1x2xf32>) {
  %0 = "jic.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %1 = "jic.dynamic_slice"(%0, %i) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<i64>) -> tensor<4x2xf32>
  %2 = "jic.broadcast"(%v) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<8x4xf32>
  %3 = "jic.dynamic_slice"(%2, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  %4 = "jic.dynamic_slice"(%2, %i) {dim = 1 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<8x2xf32>
  %5 = "jic.slice"(%x) {offsets = array<i64: 0, 1>, strides = array<i64: 1, 1>} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %6 = "jic.dynamic_slice"(%5, %i) {dim = 0 : i64} : (tensor<8x2xf32>, tensor<i64>) -> tensor<1x2xf32>
  return %1, %3, %4, %6 : tensor<4x2xf32>, tensor<1x4xf32>, tensor<8x2xf32>, tensor<1x2xf32>
}

// Of everything; of what was updated at the same place; with what is there. At another place both stay.
// CHECK-LABEL: func.func @updates
// CHECK: %[[A:.*]] = "jic.dynamic_update"(%arg0, %arg2, %arg3)
// CHECK-NEXT: %[[B:.*]] = "jic.dynamic_update"(%arg0, %arg1, %arg3)
// CHECK-NEXT: %[[C:.*]] = "jic.dynamic_update"(%[[B]], %arg2, %arg4)
// CHECK-NEXT: return %arg5, %[[A]], %[[C]], %arg0
func.func @updates(%x: tensor<8x4xf32>, %u: tensor<1x4xf32>, %v: tensor<1x4xf32>, %i: tensor<i64>, %j: tensor<i64>, %y: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) {
  %0 = "jic.dynamic_update"(%x, %y, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %1 = "jic.dynamic_update"(%x, %u, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %2 = "jic.dynamic_update"(%1, %v, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %3 = "jic.dynamic_update"(%x, %u, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %4 = "jic.dynamic_update"(%3, %v, %j) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  %5 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<i64>) -> tensor<1x4xf32>
  %6 = "jic.dynamic_update"(%x, %5, %i) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  return %0, %2, %4, %6 : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
}
