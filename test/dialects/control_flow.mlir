// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Loops, while and if with carried values of different types.

// CHECK-LABEL: func.func @loop(
// CHECK: "jic.loop"(%{{.*}}, %{{.*}}, %{{.*}}) ({
// CHECK: ^bb0(%{{.*}}: tensor<i64>, %[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<2xi64>):
// CHECK: "jic.yield"(%[[X]], %[[Y]]) : (tensor<4xf32>, tensor<2xi64>) -> ()
// CHECK: }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
func.func @loop(%n: tensor<i64>, %a: tensor<4xf32>, %b: tensor<2xi64>) -> tensor<4xf32> {
  %0:2 = "jic.loop"(%n, %a, %b) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<2xi64>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return %0#0 : tensor<4xf32>
}

// A loop that carries nothing.
// CHECK-LABEL: func.func @loop_empty(
// CHECK: "jic.loop"(%{{.*}}) ({
// CHECK: "jic.yield"() : () -> ()
// CHECK: }) : (tensor<i64>) -> ()
func.func @loop_empty(%n: tensor<i64>) {
  "jic.loop"(%n) ({
  ^bb0(%i: tensor<i64>):
    "jic.yield"() : () -> ()
  }) : (tensor<i64>) -> ()
  return
}

// CHECK-LABEL: func.func @while(
// CHECK: "jic.while"(%{{.*}}, %{{.*}}) ({
// CHECK: "jic.condition"(%{{.*}}, %{{.*}}) : (tensor<i1>, tensor<4xf32>) -> ()
// CHECK: }, {
// CHECK: "jic.yield"(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<i1>) -> ()
// CHECK: }) : (tensor<4xf32>, tensor<i1>) -> tensor<4xf32>
func.func @while(%a: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  %0 = "jic.while"(%a, %c) ({
  ^bb0(%x: tensor<4xf32>, %y: tensor<i1>):
    "jic.condition"(%y, %x) : (tensor<i1>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x, %c) : (tensor<4xf32>, tensor<i1>) -> ()
  }) : (tensor<4xf32>, tensor<i1>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @if(
// CHECK: "jic.if"(%{{.*}}) ({
// CHECK: "jic.yield"(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<i1>) -> ()
// CHECK: }, {
// CHECK: }) : (tensor<i1>) -> (tensor<4xf32>, tensor<i1>)
func.func @if(%c: tensor<i1>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = "jic.if"(%c) ({
    "jic.yield"(%a, %c) : (tensor<4xf32>, tensor<i1>) -> ()
  }, {
    "jic.yield"(%b, %c) : (tensor<4xf32>, tensor<i1>) -> ()
  }) : (tensor<i1>) -> (tensor<4xf32>, tensor<i1>)
  return %0#0 : tensor<4xf32>
}
