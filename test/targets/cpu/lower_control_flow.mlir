// RUN: jic-opt %s --jic-lower-to-cpu=vector-bits=256 | filecheck %s

// A loop whose carried value is computed from one buffer into another is there twice; the stacked rows are written in place, in the
// output itself. The jumps are branches between blocks.

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[N:.*]]: memref<1xi64>, %[[X:.*]]: memref<8xf32>, %[[LAST:.*]]: memref<8xf32>, %[[ROWS:.*]]: memref<32xf32>, %{{.*}}: memref<{{.*}}xi8>)
// CHECK: "jic.launch"(%[[ROWS]]) {{.*}}inputs = 0
// CHECK: memref.copy %[[X]]
// CHECK: memref.store
// CHECK: cf.cond_br %{{.*}}, ^[[FIRST:.*]], ^[[NONE:.*]]
// CHECK: ^[[NONE]]:
// CHECK-NEXT: cf.br ^[[LEAVE:.*]]
// CHECK: ^[[FIRST]]:
// CHECK: "jic.launch"(%[[A:.*]], %[[B:.*]]) {{.*}}kernel = @k1_tanh
// CHECK: "jic.launch"(%[[ROWS]], %[[B]], %[[I:.*]], %[[ROWS]]) {{.*}}kernel = @k2_dynamic_update
// CHECK: cf.cond_br %{{.*}}, ^[[SECOND:.*]], ^{{.*}}
// CHECK: ^[[SECOND]]:
// CHECK: "jic.launch"(%[[B]], %[[A]]) {{.*}}kernel = @k1_tanh
// CHECK: "jic.launch"(%[[ROWS]], %[[A]], %[[I]], %[[ROWS]]) {{.*}}kernel = @k2_dynamic_update
// CHECK: cf.cond_br %{{.*}}, ^[[FIRST]], ^[[LEAVE]]
// CHECK: return
func.func @main(%n: tensor<i64>, %x: tensor<8xf32>) -> (tensor<8xf32>, tensor<4x8xf32>) {
  %rows = "jic.fused"() ({
    %0 = "jic.constant"() {value = dense<0.0> : tensor<4x8xf32>} : () -> tensor<4x8xf32>
    "jic.yield"(%0) : (tensor<4x8xf32>) -> ()
  }) {kind = "pointwise"} : () -> tensor<4x8xf32>
  %1:2 = "jic.loop"(%n, %x, %rows) ({
  ^bb0(%i: tensor<i64>, %h: tensor<8xf32>, %r: tensor<4x8xf32>):
    %2 = "jic.fused"(%h) ({
    ^bb0(%a: tensor<8xf32>):
      %0 = "jic.tanh"(%a) : (tensor<8xf32>) -> tensor<8xf32>
      "jic.yield"(%0) : (tensor<8xf32>) -> ()
    }) {kind = "pointwise"} : (tensor<8xf32>) -> tensor<8xf32>
    %3 = "jic.fused"(%r, %2, %i) ({
    ^bb0(%a: tensor<4x8xf32>, %b: tensor<8xf32>, %c: tensor<i64>):
      %0 = "jic.reshape"(%b) : (tensor<8xf32>) -> tensor<1x8xf32>
      %4 = "jic.dynamic_update"(%a, %0, %c) {dim = 0} : (tensor<4x8xf32>, tensor<1x8xf32>, tensor<i64>) -> tensor<4x8xf32>
      "jic.yield"(%4) : (tensor<4x8xf32>) -> ()
    }) {kind = "update"} : (tensor<4x8xf32>, tensor<8xf32>, tensor<i64>) -> tensor<4x8xf32>
    "jic.yield"(%2, %3) : (tensor<8xf32>, tensor<4x8xf32>) -> ()
  }) : (tensor<i64>, tensor<8xf32>, tensor<4x8xf32>) -> (tensor<8xf32>, tensor<4x8xf32>)
  return %1#0, %1#1 : tensor<8xf32>, tensor<4x8xf32>
}
