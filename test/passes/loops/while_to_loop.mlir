// RUN: jic-opt %s --jic-while-to-loop | filecheck %s

// From 2 up to 11 in steps of 3. What the condition region computes is computed once more after the loop.
// CHECK-LABEL: func.func @up
// CHECK: %[[D:.*]] = "jic.sub"(%arg1, %{{.*}})
// CHECK: %[[A:.*]] = "jic.add"(%[[D]], %{{.*}})
// CHECK: %[[N:.*]] = "jic.div"(%[[A]], %{{.*}})
// CHECK: %[[L:.*]]:2 = "jic.loop"(%[[N]], %{{.*}}, %arg0) ({
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %[[K:.*]]: tensor<i64>, %[[X:.*]]: tensor<4xf32>):
// CHECK: %[[E:.*]] = "jic.exp"(%[[X]])
// CHECK: %[[M:.*]] = "jic.mul"(%[[E]], %[[E]])
// CHECK: "jic.yield"(%{{.*}}, %[[M]])
// CHECK: %[[R:.*]] = "jic.exp"(%[[L]]#1)
// CHECK: return %[[R]], %[[L]]#0
func.func @up(%h: tensor<4xf32>, %n: tensor<i64>) -> (tensor<4xf32>, tensor<i64>) {
  %two = "jic.constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %three = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %0:2 = "jic.while"(%two, %h) ({
  ^bb0(%k: tensor<i64>, %x: tensor<4xf32>):
    %1 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.compare"(%n, %k) {predicate = "gt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    "jic.condition"(%2, %1, %k) : (tensor<i1>, tensor<4xf32>, tensor<i64>) -> ()
  }, {
  ^bb0(%y: tensor<4xf32>, %k: tensor<i64>):
    %3 = "jic.mul"(%y, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %4 = "jic.add"(%three, %k) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%4, %3) : (tensor<i64>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<i64>
}

// Not: a bound that changes, a counter that goes away from it, a condition that is more than the count.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-3: "jic.while"
func.func @stay(%n: tensor<i64>, %c: tensor<i1>) -> (tensor<i64>, tensor<i64>, tensor<i64>) {
  %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %0:2 = "jic.while"(%one, %n) ({
  ^bb0(%k: tensor<i64>, %m: tensor<i64>):
    %1 = "jic.compare"(%k, %m) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    "jic.condition"(%1, %k, %m) : (tensor<i1>, tensor<i64>, tensor<i64>) -> ()
  }, {
  ^bb0(%k: tensor<i64>, %m: tensor<i64>):
    %2 = "jic.add"(%k, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %3 = "jic.sub"(%m, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%2, %3) : (tensor<i64>, tensor<i64>) -> ()
  }) : (tensor<i64>, tensor<i64>) -> (tensor<i64>, tensor<i64>)
  %4 = "jic.while"(%one) ({
  ^bb0(%k: tensor<i64>):
    %5 = "jic.compare"(%k, %n) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    "jic.condition"(%5, %k) : (tensor<i1>, tensor<i64>) -> ()
  }, {
  ^bb0(%k: tensor<i64>):
    %6 = "jic.sub"(%k, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%6) : (tensor<i64>) -> ()
  }) : (tensor<i64>) -> tensor<i64>
  %7 = "jic.while"(%one) ({
  ^bb0(%k: tensor<i64>):
    %8 = "jic.compare"(%k, %n) {predicate = "lt"} : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %9 = "jic.and"(%8, %c) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    "jic.condition"(%9, %k) : (tensor<i1>, tensor<i64>) -> ()
  }, {
  ^bb0(%k: tensor<i64>):
    %10 = "jic.add"(%k, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%10) : (tensor<i64>) -> ()
  }) : (tensor<i64>) -> tensor<i64>
  return %0#0, %4, %7 : tensor<i64>, tensor<i64>, tensor<i64>
}
