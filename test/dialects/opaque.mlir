// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Calls of ATen operators.

// CHECK-LABEL: func.func @aten_call(
// CHECK: "jic.aten_call"(%{{.*}}) {arguments = [0 : index, 1, false], callee = "aten.sort.default", keywords = {}, reason = "no lowering"} : (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xi64>)
func.func @aten_call(%a: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xi64>) {
  %0:2 = "jic.aten_call"(%a) {arguments = [0 : index, 1, false], callee = "aten.sort.default", keywords = {}, reason = "no lowering"} : (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xi64>)
  return %0#0, %0#1 : tensor<4x8xf32>, tensor<4x8xi64>
}

// CHECK-LABEL: func.func @aten_call_lists(
// CHECK: "jic.aten_call"(%{{.*}}, %{{.*}}) {arguments = {{\[\[}}0 : index, 1 : index{{\]\]}}, callee = "aten.cat.default", keywords = {dtype = {dtype = "float32"}}, reason = "no lowering"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
func.func @aten_call_lists(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<8xf32> {
  %0 = "jic.aten_call"(%a, %b) {arguments = [[0 : index, 1 : index]], callee = "aten.cat.default", keywords = {dtype = {dtype = "float32"}}, reason = "no lowering"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
