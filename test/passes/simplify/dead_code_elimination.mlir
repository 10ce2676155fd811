// RUN: jic-opt %s --jic-dead-code-elimination | filecheck %s

// An unused result of a kernel takes what computed it along.
// CHECK-LABEL: func.func @fused
// CHECK: "jic.fused"(%arg0) ({
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<4xf32>):
// CHECK-NEXT: %[[E:.*]] = "jic.exp"(%[[X]])
// CHECK-NEXT: "jic.yield"(%[[E]])
func.func @fused(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = "jic.fused"(%a, %b, %a) ({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %1 = "jic.exp"(%z) : (tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.add"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1, %2) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0 : tensor<4xf32>
}

// A reduction kernel that reduces nothing any more is pointwise.
// CHECK-LABEL: func.func @kind
// CHECK: kind = "pointwise"
func.func @kind(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = "jic.fused"(%a) ({
  ^bb0(%x: tensor<4xf32>):
    %1 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.reduce"(%1) {kind = "sum", dims = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
    "jic.yield"(%1, %2) : (tensor<4xf32>, tensor<f32>) -> ()
  }) {kind = "reduction"} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>)
  return %0#0 : tensor<4xf32>
}

// One carried value never changes, another is only carried.
// CHECK-LABEL: func.func @loop
// CHECK: "jic.loop"(%{{.*}}, %arg0) ({
// CHECK: "jic.add"(%{{.*}}, %arg1)
// CHECK-NOT: jic.neg
// CHECK: return
func.func @loop(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %n = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %0:3 = "jic.loop"(%n, %a, %b, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %1 = "jic.add"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.neg"(%z) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1, %y, %2) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %0#0 : tensor<4xf32>
}

// A value that a live one is computed from stays.
// CHECK-LABEL: func.func @needed
// CHECK: "jic.loop"(%{{.*}}, %arg0, %arg1)
func.func @needed(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %n = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %0:2 = "jic.loop"(%n, %a, %b) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<4xf32>):
    %1 = "jic.add"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1, %1) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0 : tensor<4xf32>
}

// A call of ATen may have effects, and so has a loop around it.
// CHECK-LABEL: func.func @effects
// CHECK: jic.loop
// CHECK: jic.aten_call
// CHECK-NOT: jic.if
func.func @effects(%c: tensor<i1>, %a: tensor<4xf32>) {
  %n = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  "jic.loop"(%n) ({
  ^bb0(%i: tensor<i64>):
    %1 = "jic.aten_call"() {callee = "aten.rand", arguments = [[4]], keywords = {}, reason = "random"} : () -> tensor<4xf32>
    "jic.yield"() : () -> ()
  }) : (tensor<i64>) -> ()
  %0 = "jic.if"(%c) ({
    "jic.yield"(%a) : (tensor<4xf32>) -> ()
  }, {
    %2 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%2) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return
}

// What a recurrence says of its rows goes with the arguments that go.
// CHECK-LABEL: func.func @rows_of_a_recurrence
// CHECK: "jic.fused"(%{{.*}}, %{{.*}}) ({
// CHECK: "jic.loop"
// CHECK: row_dims = array<i64: -1, 0>
// CHECK: kind = "recurrence", row_dims = array<i64: -1, 0>, rows = 4 : i64
func.func @rows_of_a_recurrence(%n: tensor<i64>, %a: tensor<5x4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = "jic.fused"(%n, %a, %b) ({
  ^bb0(%m: tensor<i64>, %x: tensor<5x4xf32>, %y: tensor<4xf32>):
    %1:2 = "jic.loop"(%m, %x, %y) ({
    ^bb0(%i: tensor<i64>, %u: tensor<5x4xf32>, %v: tensor<4xf32>):
      %2 = "jic.exp"(%u) {row_dim = 1 : i64} : (tensor<5x4xf32>) -> tensor<5x4xf32>
      %3 = "jic.exp"(%v) {row_dim = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%2, %3) : (tensor<5x4xf32>, tensor<4xf32>) -> ()
    }) {row_dims = array<i64: -1, 1, 0>} : (tensor<i64>, tensor<5x4xf32>, tensor<4xf32>) -> (tensor<5x4xf32>, tensor<4xf32>)
    "jic.yield"(%1#0, %1#1) : (tensor<5x4xf32>, tensor<4xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: -1, 1, 0>, rows = 4 : i64}
    : (tensor<i64>, tensor<5x4xf32>, tensor<4xf32>) -> (tensor<5x4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
