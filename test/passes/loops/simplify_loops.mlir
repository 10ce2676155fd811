// RUN: jic-opt %s --jic-simplify-loops | filecheck %s

// The counter is a function of the index, the weight is the weight, and the second state is the first.
// CHECK-LABEL: func.func @carried
// CHECK: %[[N:.*]] = "jic.maximum"(%arg2,
// CHECK: %[[L:.*]] = "jic.loop"(%arg2, %arg0) ({
// CHECK-NEXT: ^bb0(%[[I:.*]]: tensor<i64>, %[[X:.*]]: tensor<4xf32>):
// CHECK: %[[C:.*]] = "jic.convert"(%[[I]])
// CHECK: "jic.mul"(%[[X]], %arg1)
// CHECK: "jic.yield"(%{{[^,]*}}) : (tensor<4xf32>)
// CHECK: return %[[L]], %[[L]], %[[N]]
func.func @carried(%h: tensor<4xf32>, %w: tensor<4xf32>, %n: tensor<i64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<i64>) {
  %zero = "jic.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0:4 = "jic.loop"(%n, %h, %h, %w, %zero) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<4xf32>, %v: tensor<4xf32>, %j: tensor<i64>):
    %1 = "jic.convert"(%j) : (tensor<i64>) -> tensor<f32>
    %2 = "jic.broadcast"(%1) {dims = array<i64>} : (tensor<f32>) -> tensor<4xf32>
    %3 = "jic.mul"(%x, %v) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %4 = "jic.add"(%3, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %5 = "jic.mul"(%y, %v) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %6 = "jic.add"(%5, %2) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %7 = "jic.add"(%j, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%4, %6, %v, %7) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i64>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i64>)
  return %0#0, %0#1, %0#3 : tensor<4xf32>, tensor<4xf32>, tensor<i64>
}

// Starts at 10 and grows by 3; "first" is true in the first iteration only. The state itself stays carried.
// CHECK-LABEL: func.func @induction
// CHECK: "jic.loop"(%{{.*}}, %arg0) ({
// CHECK: %[[S:.*]] = "jic.select"
// CHECK: %[[M:.*]] = "jic.mul"(%[[I:[^,]*]], %{{.*}})
// CHECK: %[[J:.*]] = "jic.add"(%[[M]], %{{.*}})
// CHECK: "jic.dynamic_slice"(%arg1, %[[J]])
// CHECK: "jic.if"(%[[S]])
func.func @induction(%h: tensor<1xf32>, %t: tensor<40xf32>) -> tensor<1xf32> {
  %five = "jic.constant"() {value = dense<5> : tensor<i64>} : () -> tensor<i64>
  %ten = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %true = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %0:3 = "jic.loop"(%five, %h, %ten, %true) ({
  ^bb0(%i: tensor<i64>, %x: tensor<1xf32>, %j: tensor<i64>, %first: tensor<i1>):
    %three = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
    %false = "jic.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    %1 = "jic.dynamic_slice"(%t, %j) {dim = 0 : i64} : (tensor<40xf32>, tensor<i64>) -> tensor<1xf32>
    %2 = "jic.if"(%first) ({
      "jic.yield"(%1) : (tensor<1xf32>) -> ()
    }, {
      %3 = "jic.mul"(%1, %x) : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
      "jic.yield"(%3) : (tensor<1xf32>) -> ()
    }) : (tensor<i1>) -> tensor<1xf32>
    %4 = "jic.add"(%three, %j) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%2, %4, %false) : (tensor<1xf32>, tensor<i64>, tensor<i1>) -> ()
  }) : (tensor<i64>, tensor<1xf32>, tensor<i64>, tensor<i1>) -> (tensor<1xf32>, tensor<i64>, tensor<i1>)
  return %0#0 : tensor<1xf32>
}

// The index is never negative, and always below the trip count.
// CHECK-LABEL: func.func @range
// CHECK: %[[F:.*]] = "jic.constant"() {value = dense<false>
// CHECK: "jic.select"(%[[F]],
// CHECK: %[[T:.*]] = "jic.constant"() {value = dense<true>
// CHECK: "jic.select"(%[[T]],
func.func @range(%h: tensor<i64>) -> tensor<i64> {
  %n = "jic.constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %zero = "jic.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %0 = "jic.loop"(%n, %h) ({
  ^bb0(%i: tensor<i64>, %x: tensor<i64>):
    %1 = "jic.compare"(%i, %zero) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %2 = "jic.select"(%1, %x, %i) : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    %3 = "jic.compare"(%i, %n) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %4 = "jic.select"(%3, %2, %x) : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    %5 = "jic.add"(%4, %x) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%5) : (tensor<i64>) -> ()
  }) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// No iteration, one, and a condition that never holds.
// CHECK-LABEL: func.func @trip_counts
// CHECK-NOT: jic.loop
// CHECK-NOT: jic.while
// CHECK: %[[S:.*]] = "jic.sin"(%arg0)
// CHECK: %[[C:.*]] = "jic.cos"(%arg0)
// CHECK: return %arg0, %[[S]], %[[C]]
func.func @trip_counts(%h: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = "jic.constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0 = "jic.loop"(%zero, %h) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %1 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "jic.loop"(%one, %h) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>):
    %3 = "jic.sin"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%3) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %4 = "jic.while"(%h) ({
  ^bb0(%x: tensor<4xf32>):
    %5 = "jic.cos"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %false = "jic.constant"() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
    "jic.condition"(%false, %5) : (tensor<i1>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %2, %4 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// A while hands the weight round, and two equal states.
// CHECK-LABEL: func.func @while
// CHECK: %[[W:.*]] = "jic.while"(%arg0) ({
// CHECK: "jic.condition"(%{{.*}}, %{{[^,]*}}) : (tensor<i1>, tensor<4xf32>)
// CHECK: "jic.mul"(%{{.*}}, %arg1)
// CHECK: "jic.yield"(%{{[^,]*}}) : (tensor<4xf32>)
// CHECK: return %[[W]], %[[W]]
func.func @while(%h: tensor<4xf32>, %w: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0:3 = "jic.while"(%h, %h, %w) ({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %v: tensor<4xf32>):
    %1 = "jic.compare"(%x, %v) {predicate = "lt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    %2 = "jic.reduce"(%1) {kind = "any", dims = array<i64: 0>} : (tensor<4xi1>) -> tensor<i1>
    "jic.condition"(%2, %v, %x, %y) : (tensor<i1>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%v: tensor<4xf32>, %x: tensor<4xf32>, %y: tensor<4xf32>):
    %3 = "jic.mul"(%x, %v) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %4 = "jic.mul"(%y, %v) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%3, %4, %v) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>
}
