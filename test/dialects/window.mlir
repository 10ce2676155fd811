// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Convolutions and pooling.

// CHECK-LABEL: func.func @conv(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
func.func @conv(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return %0 : tensor<1x6x6x6xf32>
}

// CHECK-LABEL: func.func @conv_strided(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 1, 1, 1, 1>, stride = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x4x4xf32>
func.func @conv_strided(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) -> tensor<1x6x4x4xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 1, 1, 1, 1>, stride = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x4x4xf32>
  return %0 : tensor<1x6x4x4xf32>
}

// CHECK-LABEL: func.func @conv_nhwc(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nhwc", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x8x8x4xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
func.func @conv_nhwc(%a: tensor<1x8x8x4xf32>, %b: tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nhwc", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x8x8x4xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return %0 : tensor<1x6x6x6xf32>
}

// CHECK-LABEL: func.func @conv_depthwise(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 1, 1>, groups = 4 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x6x6xf32>
func.func @conv_depthwise(%a: tensor<1x4x8x8xf32>, %b: tensor<4x1x3x3xf32>) -> tensor<1x4x6x6xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 4 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x6x6xf32>
  return %0 : tensor<1x4x6x6xf32>
}

// CHECK-LABEL: func.func @conv_dilated_1d(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 2>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0>, stride = array<i64: 1>} : (tensor<2x3x16xf32>, tensor<5x3x3xf32>) -> tensor<2x5x12xf32>
func.func @conv_dilated_1d(%a: tensor<2x3x16xf32>, %b: tensor<5x3x3xf32>) -> tensor<2x5x12xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 2>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0>, stride = array<i64: 1>} : (tensor<2x3x16xf32>, tensor<5x3x3xf32>) -> tensor<2x5x12xf32>
  return %0 : tensor<2x5x12xf32>
}

// CHECK-LABEL: func.func @conv_3d(
// CHECK: "jic.conv"(%{{.*}}, %{{.*}}) {dilation = array<i64: 1, 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0, 0, 0>, stride = array<i64: 1, 1, 1>} : (tensor<1x2x4x4x4xf32>, tensor<3x2x1x1x1xf32>) -> tensor<1x3x4x4x4xf32>
func.func @conv_3d(%a: tensor<1x2x4x4x4xf32>, %b: tensor<3x2x1x1x1xf32>) -> tensor<1x3x4x4x4xf32> {
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0, 0, 0>, stride = array<i64: 1, 1, 1>} : (tensor<1x2x4x4x4xf32>, tensor<3x2x1x1x1xf32>) -> tensor<1x3x4x4x4xf32>
  return %0 : tensor<1x3x4x4x4xf32>
}

// CHECK-LABEL: func.func @pool_max(
// CHECK: "jic.pool"(%{{.*}}) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
func.func @pool_max(%a: tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @pool_sum(
// CHECK: "jic.pool"(%{{.*}}) {dilation = array<i64: 1, 1>, kind = "sum", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
func.func @pool_sum(%a: tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "sum", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @pool_avg(
// CHECK: "jic.pool"(%{{.*}}) {dilation = array<i64: 1, 1>, kind = "avg", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
func.func @pool_avg(%a: tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "avg", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: func.func @pool_nhwc(
// CHECK: "jic.pool"(%{{.*}}) {dilation = array<i64: 1, 1>, kind = "avg", layout = "nhwc", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x8x8x4xf32>) -> tensor<1x4x4x4xf32>
func.func @pool_nhwc(%a: tensor<1x8x8x4xf32>) -> tensor<1x4x4x4xf32> {
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "avg", layout = "nhwc", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x8x8x4xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}
