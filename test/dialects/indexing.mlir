// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Ops whose addresses depend on data.

// CHECK-LABEL: func.func @index_select(
// CHECK: "jic.index_select"(%{{.*}}, %{{.*}}) {dim = 0 : i64} : (tensor<30x8xf32>, tensor<2x5xi64>) -> tensor<2x5x8xf32>
func.func @index_select(%a: tensor<30x8xf32>, %b: tensor<2x5xi64>) -> tensor<2x5x8xf32> {
  %0 = "jic.index_select"(%a, %b) {dim = 0 : i64} : (tensor<30x8xf32>, tensor<2x5xi64>) -> tensor<2x5x8xf32>
  return %0 : tensor<2x5x8xf32>
}

// CHECK-LABEL: func.func @index_select_scalar(
// CHECK: "jic.index_select"(%{{.*}}, %{{.*}}) {dim = 1 : i64} : (tensor<30x8xf32>, tensor<i32>) -> tensor<30xf32>
func.func @index_select_scalar(%a: tensor<30x8xf32>, %b: tensor<i32>) -> tensor<30xf32> {
  %0 = "jic.index_select"(%a, %b) {dim = 1 : i64} : (tensor<30x8xf32>, tensor<i32>) -> tensor<30xf32>
  return %0 : tensor<30xf32>
}

// CHECK-LABEL: func.func @gather(
// CHECK: "jic.gather"(%{{.*}}, %{{.*}}) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xi64>) -> tensor<4x3xf32>
func.func @gather(%a: tensor<4x8xf32>, %b: tensor<4x3xi64>) -> tensor<4x3xf32> {
  %0 = "jic.gather"(%a, %b) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xi64>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}
