// RUN: jic-opt %s --jic-fuse-loops | filecheck %s

// Two recurrences side by side; what needs the first one's result moves behind.
// CHECK-LABEL: func.func @independent
// CHECK: %[[R:.*]]:2 = "jic.loop"(%{{.*}}, %[[A:.*]], %[[B:.*]]) ({
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>):
// CHECK-NEXT: %[[T:.*]] = "jic.tanh"(%[[X]])
// CHECK-NEXT: %[[S:.*]] = "jic.sin"(%[[Y]])
// CHECK-NEXT: "jic.yield"(%[[T]], %[[S]])
// CHECK-NEXT: })
// CHECK-NEXT: %[[N:.*]] = "jic.neg"(%[[R]]#0)
// CHECK-NEXT: return %[[N]], %[[R]]#1
func.func @independent(%n: tensor<i64>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %p = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %m = "jic.neg"(%p) : (tensor<4xf32>) -> tensor<4xf32>
  %q = "jic.loop"(%n, %b) ({
  ^bb0(%i: tensor<i64>, %y: tensor<4xf32>):
    %1 = "jic.sin"(%y) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %m, %q : tensor<4xf32>, tensor<4xf32>
}

// The second layer reads row i that the first wrote in the same iteration.
// CHECK-LABEL: func.func @forwarded
// CHECK: "jic.loop"
// CHECK: %[[ROW:.*]] = "jic.reshape"(%{{.*}}) : (tensor<4xf32>) -> tensor<1x4xf32>
// CHECK: "jic.reshape"(%[[ROW]]) : (tensor<1x4xf32>) -> tensor<4xf32>
// CHECK-NOT: "jic.loop"
// CHECK: return
func.func @forwarded(%a: tensor<4xf32>, %buffer: tensor<6x4xf32>) -> (tensor<6x4xf32>, tensor<4xf32>) {
  %n = "jic.constant"() {value = dense<6> : tensor<i64>} : () -> tensor<i64>
  %p:2 = "jic.loop"(%n, %a, %buffer) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %b: tensor<6x4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %1 = "jic.reshape"(%0) : (tensor<4xf32>) -> tensor<1x4xf32>
    %2 = "jic.dynamic_update"(%b, %1, %i) {dim = 0 : i64} : (tensor<6x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<6x4xf32>
    "jic.yield"(%0, %2) : (tensor<4xf32>, tensor<6x4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<6x4xf32>) -> (tensor<4xf32>, tensor<6x4xf32>)
  %q = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %y: tensor<4xf32>):
    %3 = "jic.dynamic_slice"(%p#1, %i) {dim = 0 : i64} : (tensor<6x4xf32>, tensor<i64>) -> tensor<1x4xf32>
    %4 = "jic.reshape"(%3) : (tensor<1x4xf32>) -> tensor<4xf32>
    %5 = "jic.add"(%4, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %6 = "jic.tanh"(%5) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%6) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %p#1, %q : tensor<6x4xf32>, tensor<4xf32>
}

// Not fused: the second begins with the first one's result; other trip counts; other shapes; effects.
// CHECK-LABEL: func.func @kept
// CHECK-COUNT-5: "jic.loop"
// CHECK: return
func.func @kept(%n: tensor<i64>, %m: tensor<i64>, %a: tensor<4xf32>, %c: tensor<5xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<5xf32>, tensor<4xf32>) {
  %p = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %q = "jic.loop"(%n, %p) ({
  ^bb0(%i: tensor<i64>, %y: tensor<4xf32>):
    %1 = "jic.sin"(%y) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %r = "jic.loop"(%m, %a) ({
  ^bb0(%i: tensor<i64>, %y: tensor<4xf32>):
    %1 = "jic.exp"(%y) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %s = "jic.loop"(%n, %c) ({
  ^bb0(%i: tensor<i64>, %y: tensor<5xf32>):
    %1 = "jic.exp"(%y) : (tensor<5xf32>) -> tensor<5xf32>
    "jic.yield"(%1) : (tensor<5xf32>) -> ()
  }) : (tensor<i64>, tensor<5xf32>) -> tensor<5xf32>
  %t = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %y: tensor<4xf32>):
    %1 = "jic.aten_call"(%y) {callee = "aten.rand_like", arguments = [0 : index], keywords = {}, reason = "random"} : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %q, %r, %s, %t : tensor<4xf32>, tensor<4xf32>, tensor<5xf32>, tensor<4xf32>
}
