// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Composites that stay whole until decomposition.

// CHECK-LABEL: func.func @softmax(
// CHECK: "jic.softmax"(%{{.*}}) {dim = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @softmax(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.softmax"(%a) {dim = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @softmax_log(
// CHECK: "jic.softmax"(%{{.*}}) {dim = 0 : i64, log = true} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @softmax_log(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.softmax"(%a) {dim = 0 : i64, log = true} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @layer_norm(
// CHECK: "jic.layer_norm"(%{{.*}}) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @layer_norm(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.layer_norm"(%a) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @layer_norm_affine(
// CHECK: "jic.layer_norm"(%{{.*}}, %{{.*}}, %{{.*}}) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
func.func @layer_norm_affine(%a: tensor<4x8xf32>, %b: tensor<8xf32>, %c: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.layer_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @layer_norm_rank_2(
// CHECK: "jic.layer_norm"(%{{.*}}, %{{.*}}) {epsilon = 1.000000e-05 : f64, rank = 2 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @layer_norm_rank_2(%a: tensor<4x8xf32>, %b: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.layer_norm"(%a, %b) {epsilon = 1.000000e-05 : f64, rank = 2 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @batch_norm(
// CHECK: "jic.batch_norm"(%{{.*}}, %{{.*}}, %{{.*}}) {epsilon = 1.000000e-05 : f64} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
func.func @batch_norm(%a: tensor<2x3x4xf32>, %b: tensor<3xf32>, %c: tensor<3xf32>) -> tensor<2x3x4xf32> {
  %0 = "jic.batch_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}

// CHECK-LABEL: func.func @batch_norm_affine(
// CHECK: "jic.batch_norm"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {epsilon = 1.000000e-05 : f64} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
func.func @batch_norm_affine(%a: tensor<2x3x4xf32>, %b: tensor<3xf32>, %c: tensor<3xf32>, %d: tensor<3xf32>, %e: tensor<3xf32>) -> tensor<2x3x4xf32> {
  %0 = "jic.batch_norm"(%a, %b, %c, %d, %e) {epsilon = 1.000000e-05 : f64} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}

// CHECK-LABEL: func.func @group_norm(
// CHECK: "jic.group_norm"(%{{.*}}) {epsilon = 1.000000e-05 : f64, groups = 3 : i64} : (tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
func.func @group_norm(%a: tensor<2x6x4xf32>) -> tensor<2x6x4xf32> {
  %0 = "jic.group_norm"(%a) {epsilon = 1.000000e-05 : f64, groups = 3 : i64} : (tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  return %0 : tensor<2x6x4xf32>
}

// CHECK-LABEL: func.func @group_norm_affine(
// CHECK: "jic.group_norm"(%{{.*}}, %{{.*}}, %{{.*}}) {epsilon = 1.000000e-05 : f64, groups = 3 : i64} : (tensor<2x6x4xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<2x6x4xf32>
func.func @group_norm_affine(%a: tensor<2x6x4xf32>, %b: tensor<6xf32>, %c: tensor<6xf32>) -> tensor<2x6x4xf32> {
  %0 = "jic.group_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64, groups = 3 : i64} : (tensor<2x6x4xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<2x6x4xf32>
  return %0 : tensor<2x6x4xf32>
}

// CHECK-LABEL: func.func @attention(
// CHECK: "jic.attention"(%{{.*}}, %{{.*}}, %{{.*}}) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>) -> tensor<2x4x6xf32>
func.func @attention(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>) -> tensor<2x4x6xf32> {
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>) -> tensor<2x4x6xf32>
  return %0 : tensor<2x4x6xf32>
}

// CHECK-LABEL: func.func @attention_mask(
// CHECK: "jic.attention"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {causal = true, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>, tensor<2x4x5xi1>) -> tensor<2x4x6xf32>
func.func @attention_mask(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>, %d: tensor<2x4x5xi1>) -> tensor<2x4x6xf32> {
  %0 = "jic.attention"(%a, %b, %c, %d) {causal = true, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>, tensor<2x4x5xi1>) -> tensor<2x4x6xf32>
  return %0 : tensor<2x4x6xf32>
}
