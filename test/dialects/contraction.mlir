// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Matrix products.

// CHECK-LABEL: func.func @matmul(
// CHECK: "jic.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
func.func @matmul(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) -> tensor<4x5xf32> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// CHECK-LABEL: func.func @matmul_transposed(
// CHECK: "jic.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = true, transpose_rhs = true} : (tensor<2x8x4xbf16>, tensor<2x5x8xbf16>) -> tensor<2x4x5xbf16>
func.func @matmul_transposed(%a: tensor<2x8x4xbf16>, %b: tensor<2x5x8xbf16>) -> tensor<2x4x5xbf16> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = true} : (tensor<2x8x4xbf16>, tensor<2x5x8xbf16>) -> tensor<2x4x5xbf16>
  return %0 : tensor<2x4x5xbf16>
}

// CHECK-LABEL: func.func @matmul_dynamic(
// CHECK: "jic.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x8xf32>, tensor<8x5xf32>) -> tensor<?x5xf32>
func.func @matmul_dynamic(%a: tensor<?x8xf32>, %b: tensor<8x5xf32>) -> tensor<?x5xf32> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x8xf32>, tensor<8x5xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}

// CHECK-LABEL: func.func @matmul_empty(
// CHECK: "jic.matmul"(%{{.*}}, %{{.*}}) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x0xf32>, tensor<0x5xf32>) -> tensor<4x5xf32>
func.func @matmul_empty(%a: tensor<4x0xf32>, %b: tensor<0x5xf32>) -> tensor<4x5xf32> {
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x0xf32>, tensor<0x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}
