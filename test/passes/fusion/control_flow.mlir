// RUN: jic-opt %s --jic-fuse-contraction --jic-fuse-reduction --jic-fuse-updates --jic-fuse-elementwise --jic-form-kernels | filecheck %s

// The slice of this step is read by the product and by the reduction where it lies.
// CHECK-LABEL: func.func @bodies
// CHECK: "jic.loop"
// CHECK: "jic.fused"
// CHECK: "jic.dynamic_slice"
// CHECK: "jic.matmul"
// CHECK: "jic.tanh"
// CHECK: kind = "contraction"
// CHECK: "jic.fused"
// CHECK: "jic.dynamic_slice"
// CHECK: "jic.reduce"
// CHECK: kind = "reduction"
// CHECK-NOT: jic.fused
// CHECK: return
func.func @bodies(%x: tensor<8x2x4xf32>, %w: tensor<4x4xf32>, %h: tensor<2x4xf32>, %m: tensor<2xf32>, %n: tensor<i64>) -> (tensor<2x4xf32>, tensor<2xf32>) {
  %0:2 = "jic.loop"(%n, %h, %m) ({
  ^bb0(%i: tensor<i64>, %s: tensor<2x4xf32>, %r: tensor<2xf32>):
    %1 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8x2x4xf32>, tensor<i64>) -> tensor<1x2x4xf32>
    %2 = "jic.reshape"(%1) : (tensor<1x2x4xf32>) -> tensor<2x4xf32>
    %3 = "jic.matmul"(%2, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
    %4 = "jic.add"(%3, %s) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %5 = "jic.tanh"(%4) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    %6 = "jic.exp"(%2) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    %7 = "jic.reduce"(%6) {kind = "sum", dims = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2xf32>
    %8 = "jic.add"(%7, %r) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    "jic.yield"(%5, %8) : (tensor<2x4xf32>, tensor<2xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>, tensor<2xf32>) -> (tensor<2x4xf32>, tensor<2xf32>)
  return %0#0, %0#1 : tensor<2x4xf32>, tensor<2xf32>
}

// Counter and condition of a while are one kernel each region, whether or not they depend on each other.
// CHECK-LABEL: func.func @scalars
// CHECK: "jic.while"
// CHECK: "jic.fused"
// CHECK: "jic.compare"
// CHECK: "jic.compare"
// CHECK: "jic.and"
// CHECK: "jic.condition"
// CHECK: %{{.*}}:2 = "jic.fused"
// CHECK: "jic.add"
// CHECK: "jic.mul"
// CHECK: kind = "pointwise"
// CHECK-NEXT: "jic.yield"
func.func @scalars(%k: tensor<i64>, %f: tensor<f32>, %n: tensor<i64>, %e: tensor<f32>) -> tensor<i64> {
  %0:2 = "jic.while"(%k, %f) ({
  ^bb0(%a: tensor<i64>, %b: tensor<f32>):
    %1 = "jic.compare"(%a, %n) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %2 = "jic.compare"(%b, %e) {predicate = "gt"} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %3 = "jic.and"(%1, %2) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    "jic.condition"(%3, %a, %b) : (tensor<i1>, tensor<i64>, tensor<f32>) -> ()
  }, {
  ^bb0(%a: tensor<i64>, %b: tensor<f32>):
    %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %half = "jic.constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
    %4 = "jic.add"(%a, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %5 = "jic.mul"(%b, %half) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    "jic.yield"(%4, %5) : (tensor<i64>, tensor<f32>) -> ()
  }) : (tensor<i64>, tensor<f32>) -> (tensor<i64>, tensor<f32>)
  return %0#0 : tensor<i64>
}

// A value that only a branch reads is a use all the same, and a bail stays.
// CHECK-LABEL: func.func @captured
// CHECK: "jic.bail"(%arg1)
// CHECK: %[[E:.*]] = "jic.fused"(%arg0)
// CHECK: "jic.exp"
// CHECK: "jic.if"
// CHECK: "jic.yield"(%[[E]])
func.func @captured(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  "jic.bail"(%c) {message = "no"} : (tensor<i1>) -> ()
  %0 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.if"(%c) ({
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
