// RUN: jic-opt %s --jic-sink-contraction | filecheck %s

// The output layer of a recurrent net: the states are stored, and the product follows.
// CHECK-LABEL: func.func @output_layer
// CHECK-SAME: %[[W:[^:]*]]: tensor<3x4xf32>
// CHECK: %[[R:.*]]:2 = "jic.loop"(%{{.*}}, %{{.*}}, %{{.*}}) ({
// CHECK-NOT: "jic.matmul"
// CHECK: %[[S:.*]] = "jic.dynamic_update"(%{{.*}}, %{{.*}}, %{{.*}}) {dim = 1 : i64} : (tensor<2x10x3xf32>, tensor<2x1x3xf32>, tensor<i64>)
// CHECK: }) : (tensor<i64>, tensor<2x3xf32>, tensor<2x10x3xf32>)
// CHECK: %[[F:.*]] = "jic.reshape"(%[[R]]#1) : (tensor<2x10x3xf32>) -> tensor<20x3xf32>
// CHECK: %[[P:.*]] = "jic.matmul"(%[[F]], %[[W]])
// CHECK: "jic.add"
// CHECK-NOT: "jic.transpose"
// CHECK: return
func.func @output_layer(%w: tensor<3x4xf32>, %bias: tensor<2x4xf32>, %h0: tensor<2x3xf32>, %buffer: tensor<2x10x4xf32>) -> (tensor<2x3xf32>, tensor<2x10x4xf32>) {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r:2 = "jic.loop"(%n, %h0, %buffer) ({
  ^bb0(%i: tensor<i64>, %h: tensor<2x3xf32>, %b: tensor<2x10x4xf32>):
    %0 = "jic.tanh"(%h) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    %1 = "jic.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
    %2 = "jic.add"(%1, %bias) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %3 = "jic.reshape"(%2) : (tensor<2x4xf32>) -> tensor<2x1x4xf32>
    %4 = "jic.dynamic_update"(%b, %3, %i) {dim = 1 : i64} : (tensor<2x10x4xf32>, tensor<2x1x4xf32>, tensor<i64>) -> tensor<2x10x4xf32>
    "jic.yield"(%0, %4) : (tensor<2x3xf32>, tensor<2x10x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x3xf32>, tensor<2x10x4xf32>) -> (tensor<2x3xf32>, tensor<2x10x4xf32>)
  return %r#0, %r#1 : tensor<2x3xf32>, tensor<2x10x4xf32>
}

// Not moved: the next iteration needs the product.
// CHECK-LABEL: func.func @kept
// CHECK: "jic.loop"(%{{.*}}, %{{.*}}, %{{.*}}) ({
// CHECK: "jic.matmul"
// CHECK: "jic.yield"
// CHECK-NOT: "jic.matmul"
// CHECK: return
func.func @kept(%w: tensor<3x3xf32>, %h0: tensor<2x3xf32>, %buffer: tensor<10x2x3xf32>) -> (tensor<2x3xf32>, tensor<10x2x3xf32>) {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r:2 = "jic.loop"(%n, %h0, %buffer) ({
  ^bb0(%i: tensor<i64>, %h: tensor<2x3xf32>, %b: tensor<10x2x3xf32>):
    %1 = "jic.matmul"(%h, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
    %3 = "jic.reshape"(%1) : (tensor<2x3xf32>) -> tensor<1x2x3xf32>
    %4 = "jic.dynamic_update"(%b, %3, %i) {dim = 0 : i64} : (tensor<10x2x3xf32>, tensor<1x2x3xf32>, tensor<i64>) -> tensor<10x2x3xf32>
    "jic.yield"(%1, %4) : (tensor<2x3xf32>, tensor<10x2x3xf32>) -> ()
  }) : (tensor<i64>, tensor<2x3xf32>, tensor<10x2x3xf32>) -> (tensor<2x3xf32>, tensor<10x2x3xf32>)
  return %r#0, %r#1 : tensor<2x3xf32>, tensor<10x2x3xf32>
}
