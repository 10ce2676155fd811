// RUN: jic-opt %s --jic-unroll-loops | filecheck %s --check-prefixes=CHECK,FULL
// RUN: jic-opt %s --pass-pipeline='builtin.module(jic-unroll-loops{factor=2 full=0})' | filecheck %s --check-prefixes=CHECK,BY2

// CHECK-LABEL: func.func @two
// FULL-NOT: "jic.loop"
// FULL-COUNT-2: "jic.tanh"
// FULL-NOT: "jic.tanh"
// BY2-COUNT-1: "jic.loop"
// BY2-COUNT-2: "jic.tanh"
// BY2-NOT: "jic.loop"
// CHECK: return
func.func @two(%a: tensor<4xf32>) -> tensor<4xf32> {
  %n = "jic.constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// A loop that never runs.
// CHECK-LABEL: func.func @never
// FULL-NOT: "jic.loop"
// FULL: return %arg0
func.func @never(%a: tensor<4xf32>) -> tensor<4xf32> {
  %n = "jic.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// A trip count from outside: pairs, then the one that may be left.
// CHECK-LABEL: func.func @dynamic
// FULL-COUNT-1: "jic.tanh"
// FULL-NOT: "jic.tanh"
// BY2: %[[N:.*]] = "jic.maximum"(%arg0, %{{.*}})
// BY2: %[[M:.*]] = "jic.div"(%[[N]], %{{.*}})
// BY2: %[[D:.*]] = "jic.mul"(%[[M]], %{{.*}})
// BY2: %[[R:.*]] = "jic.sub"(%[[N]], %[[D]])
// BY2: %[[P:.*]] = "jic.loop"(%[[M]], %arg1)
// BY2-COUNT-2: "jic.tanh"
// BY2: "jic.loop"(%[[R]], %[[P]])
// BY2: "jic.tanh"
// CHECK: return
func.func @dynamic(%n: tensor<i64>, %a: tensor<4xf32>) -> tensor<4xf32> {
  %r = "jic.loop"(%n, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %0 = "jic.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
