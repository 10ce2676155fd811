// RUN: jic-opt %s --jic-loop-invariant-code-motion | filecheck %s

// From both loops at once; the broadcast goes along with what needs it, the constant and the other broadcast stay.
// CHECK-LABEL: func.func @nested
// CHECK: %[[E:.*]] = "jic.exp"(%arg1)
// CHECK: %[[B:.*]] = "jic.broadcast"(%[[E]])
// CHECK: %[[T:.*]] = "jic.tanh"(%[[B]])
// CHECK: "jic.loop"
// CHECK: "jic.loop"
// CHECK: "jic.broadcast"(%arg1)
// CHECK: "jic.constant"
// CHECK-NOT: jic.exp
func.func @nested(%h: tensor<2x4xf32>, %w: tensor<4xf32>, %n: tensor<i64>) -> tensor<2x4xf32> {
  %0 = "jic.loop"(%n, %h) ({
  ^bb0(%i: tensor<i64>, %x: tensor<2x4xf32>):
    %1 = "jic.loop"(%n, %x) ({
    ^bb0(%j: tensor<i64>, %y: tensor<2x4xf32>):
      %2 = "jic.exp"(%w) : (tensor<4xf32>) -> tensor<4xf32>
      %3 = "jic.broadcast"(%2) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4xf32>
      %4 = "jic.tanh"(%3) : (tensor<2x4xf32>) -> tensor<2x4xf32>
      %5 = "jic.broadcast"(%w) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4xf32>
      %6 = "jic.mul"(%y, %4) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      %7 = "jic.add"(%6, %5) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      %c = "jic.constant"() {value = dense<2.0> : tensor<2x4xf32>} : () -> tensor<2x4xf32>
      %8 = "jic.mul"(%7, %c) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
      "jic.yield"(%8) : (tensor<2x4xf32>) -> ()
    }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%1) : (tensor<2x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// A look-up may fail: it moves if the loop is sure to run. The condition of a while is, its body is not.
// CHECK-LABEL: func.func @look_ups
// CHECK: "jic.index_select"(%arg0, %arg1)
// CHECK: "jic.loop"
// CHECK-NOT: jic.index_select
// CHECK: "jic.loop"
// CHECK: "jic.index_select"(%arg0, %arg1)
// CHECK: %[[W:.*]] = "jic.index_select"(%arg0, %arg3)
// CHECK: "jic.while"
// CHECK: "jic.index_select"(%arg0, %arg1)
func.func @look_ups(%t: tensor<9x4xf32>, %k: tensor<2xi64>, %n: tensor<i64>, %l: tensor<2xi64>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %z = "jic.constant"() {value = dense<0.0> : tensor<2x4xf32>} : () -> tensor<2x4xf32>
  %two = "jic.constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %0 = "jic.loop"(%two, %z) ({
  ^bb0(%i: tensor<i64>, %x: tensor<2x4xf32>):
    %1 = "jic.index_select"(%t, %k) {dim = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
    %2 = "jic.add"(%x, %1) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%2) : (tensor<2x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = "jic.loop"(%n, %z) ({
  ^bb0(%i: tensor<i64>, %x: tensor<2x4xf32>):
    %4 = "jic.index_select"(%t, %k) {dim = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
    %5 = "jic.add"(%x, %4) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%5) : (tensor<2x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %6 = "jic.while"(%z) ({
  ^bb0(%x: tensor<2x4xf32>):
    %7 = "jic.index_select"(%t, %l) {dim = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
    %8 = "jic.compare"(%x, %7) {predicate = "lt"} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xi1>
    %9 = "jic.reduce"(%8) {kind = "all", dims = array<i64: 0, 1>} : (tensor<2x4xi1>) -> tensor<i1>
    "jic.condition"(%9, %x) : (tensor<i1>, tensor<2x4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<2x4xf32>):
    %10 = "jic.index_select"(%t, %k) {dim = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
    %11 = "jic.add"(%x, %10) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%11) : (tensor<2x4xf32>) -> ()
  }) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %0, %3, %6 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// What stands in a branch stays, a branch on something invariant moves as a whole.
// CHECK-LABEL: func.func @branches
// CHECK: %[[I:.*]] = "jic.if"(%arg2)
// CHECK: "jic.loop"
// CHECK: "jic.mul"(%{{.*}}, %[[I]])
// CHECK: "jic.if"
// CHECK: "jic.exp"(%arg1)
func.func @branches(%h: tensor<4xf32>, %w: tensor<4xf32>, %c: tensor<i1>, %n: tensor<i64>) -> tensor<4xf32> {
  %0:2 = "jic.loop"(%n, %h, %c) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %d: tensor<i1>):
    %1 = "jic.if"(%c) ({
      %2 = "jic.sin"(%w) : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%2) : (tensor<4xf32>) -> ()
    }, {
      "jic.yield"(%w) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    %3 = "jic.mul"(%x, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %4 = "jic.if"(%d) ({
      %5 = "jic.exp"(%w) : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%5) : (tensor<4xf32>) -> ()
    }, {
      "jic.yield"(%3) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    %6 = "jic.not"(%d) : (tensor<i1>) -> tensor<i1>
    "jic.yield"(%4, %6) : (tensor<4xf32>, tensor<i1>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<i1>) -> (tensor<4xf32>, tensor<i1>)
  return %0#0 : tensor<4xf32>
}
