// RUN: jic-opt %s --jic-cse | filecheck %s

// CHECK-LABEL: func.func @commuted
// CHECK: %[[M:.*]] = "jic.mul"(%arg0, %arg1)
// CHECK-NEXT: %[[A:.*]] = "jic.add"(%[[M]], %[[M]])
// CHECK-NEXT: return %[[A]]
func.func @commuted(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.mul"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.mul"(%b, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "jic.add"(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// A comparison turns around with its operands.
// CHECK-LABEL: func.func @compared
// CHECK: "jic.compare"(%arg0, %arg1) {predicate = "lt"}
// CHECK-NOT: jic.compare
func.func @compared(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xi1>, tensor<4xi1>) {
  %0 = "jic.compare"(%a, %b) {predicate = "lt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %1 = "jic.compare"(%b, %a) {predicate = "gt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0, %1 : tensor<4xi1>, tensor<4xi1>
}

// Subtraction does not commute.
// CHECK-LABEL: func.func @subtracted
// CHECK: "jic.sub"(%arg0, %arg1)
// CHECK: "jic.sub"(%arg1, %arg0)
func.func @subtracted(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.sub"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.sub"(%b, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Calls of ATen may draw random numbers: two of them stay two.
// CHECK-LABEL: func.func @aten
// CHECK: jic.aten_call
// CHECK: jic.aten_call
func.func @aten() -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.aten_call"() {callee = "aten.rand", arguments = [[4]], keywords = {}, reason = "random"} : () -> tensor<4xf32>
  %1 = "jic.aten_call"() {callee = "aten.rand", arguments = [[4]], keywords = {}, reason = "random"} : () -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
