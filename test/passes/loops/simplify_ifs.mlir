// RUN: jic-opt %s --jic-simplify-ifs | filecheck %s

// CHECK-LABEL: func.func @constant
// CHECK-NOT: jic.if
// CHECK: %[[E:.*]] = "jic.exp"(%arg0)
// CHECK: return %[[E]], %arg0
func.func @constant(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %true = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %0:2 = "jic.if"(%true) ({
    %1 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1, %x) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
}

// The branches change places; in a branch the condition is known; two results are equal, one does not depend on the branch.
// CHECK-LABEL: func.func @results
// CHECK: %[[R:.*]] = "jic.if"(%arg1) ({
// CHECK: "jic.sin"
// CHECK: }, {
// CHECK-NOT: jic.if
// CHECK: "jic.exp"
// CHECK-NOT: jic.cos
// CHECK: return %[[R]], %[[R]], %arg0
func.func @results(%x: tensor<4xf32>, %c: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %n = "jic.not"(%c) : (tensor<i1>) -> tensor<i1>
  %0:3 = "jic.if"(%n) ({
    %1 = "jic.if"(%c) ({
      %2 = "jic.cos"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%2) : (tensor<4xf32>) -> ()
    }, {
      %3 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%3) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    "jic.yield"(%1, %1, %x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }, {
    %4 = "jic.sin"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%4, %4, %x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
