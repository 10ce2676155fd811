// RUN: jic-opt %s --jic-sink-into-regions | filecheck %s

// The broadcast and the constant become the body's own; the dense constant and what is only carried stay.
// CHECK-LABEL: func.func @main
// CHECK: %[[D:.*]] = "jic.constant"() {value = dense<[
// CHECK: %[[Z:.*]] = "jic.constant"() {value = dense<0.0
// CHECK-NOT: jic.broadcast
// CHECK: "jic.loop"(%arg2, %[[Z]])
// CHECK: %[[B:.*]] = "jic.broadcast"(%arg1)
// CHECK: %[[C:.*]] = "jic.constant"() {value = dense<2.0
// CHECK: "jic.add"(%{{.*}}, %[[B]])
// CHECK: "jic.mul"(%{{.*}}, %[[C]])
// CHECK: "jic.mul"(%{{.*}}, %[[D]])
func.func @main(%h: tensor<2x2xf32>, %w: tensor<2xf32>, %n: tensor<i64>) -> tensor<2x2xf32> {
  %b = "jic.broadcast"(%w) {dims = array<i64: 1>} : (tensor<2xf32>) -> tensor<2x2xf32>
  %c = "jic.constant"() {value = dense<2.0> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %d = "jic.constant"() {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %z = "jic.constant"() {value = dense<0.0> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %0 = "jic.loop"(%n, %z) ({
  ^bb0(%i: tensor<i64>, %x: tensor<2x2xf32>):
    %1 = "jic.add"(%x, %b) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    %2 = "jic.mul"(%1, %c) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    %3 = "jic.mul"(%2, %d) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    "jic.yield"(%3) : (tensor<2x2xf32>) -> ()
  }) : (tensor<i64>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
