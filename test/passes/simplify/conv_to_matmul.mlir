// RUN: jic-opt %s --jic-conv-to-matmul --split-input-file | filecheck %s

// CHECK-LABEL: func.func @nhwc
// CHECK-DAG: %[[W:.*]] = "jic.reshape"(%arg1) : (tensor<8x4x1x1xf32>) -> tensor<8x4xf32>
// CHECK-DAG: %[[X:.*]] = "jic.reshape"(%arg0) : (tensor<2x5x6x4xf32>) -> tensor<60x4xf32>
// CHECK: %[[P:.*]] = "jic.matmul"(%[[X]], %[[W]]) {transpose_lhs = false, transpose_rhs = true} : {{.*}} -> tensor<60x8xf32>
// CHECK: "jic.reshape"(%[[P]]) : (tensor<60x8xf32>) -> tensor<2x5x6x8xf32>
func.func @nhwc(%x: tensor<2x5x6x4xf32>, %w: tensor<8x4x1x1xf32>) -> tensor<2x5x6x8xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nhwc"} : (tensor<2x5x6x4xf32>, tensor<8x4x1x1xf32>) -> tensor<2x5x6x8xf32>
  return %0 : tensor<2x5x6x8xf32>
}

// -----

// CHECK-LABEL: func.func @nchw_batched
// CHECK: %[[W:.*]] = "jic.broadcast"
// CHECK: %[[P:.*]] = "jic.matmul"(%[[W]], %{{.*}}) {{.*}} : (tensor<2x8x4xf32>, tensor<2x4x30xf32>) -> tensor<2x8x30xf32>
// CHECK: "jic.reshape"(%[[P]]) : (tensor<2x8x30xf32>) -> tensor<2x8x5x6xf32>
func.func @nchw_batched(%x: tensor<2x4x5x6xf32>, %w: tensor<8x4x1x1xf32>) -> tensor<2x8x5x6xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x4x5x6xf32>, tensor<8x4x1x1xf32>) -> tensor<2x8x5x6xf32>
  return %0 : tensor<2x8x5x6xf32>
}

// -----

// A batch of one is a single product.
// CHECK-LABEL: func.func @one_image_1d
// CHECK-NOT: jic.broadcast
// CHECK: "jic.matmul"{{.*}} : (tensor<8x4xf32>, tensor<4x9xf32>) -> tensor<8x9xf32>
func.func @one_image_1d(%x: tensor<1x4x9xf32>, %w: tensor<8x4x1xf32>) -> tensor<1x8x9xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1>, padding = array<i64: 0, 0>, dilation = array<i64: 1>, groups = 1 : i64, layout = "nchw"} : (tensor<1x4x9xf32>, tensor<8x4x1xf32>) -> tensor<1x8x9xf32>
  return %0 : tensor<1x8x9xf32>
}

// -----

// Does not fire: a stride, padding, groups, a real window.
// CHECK-LABEL: func.func @others
// CHECK-COUNT-4: "jic.conv"
// CHECK-NOT: jic.matmul
func.func @others(%x: tensor<1x4x6x6xf32>, %w: tensor<4x4x1x1xf32>, %g: tensor<4x1x1x1xf32>, %k: tensor<4x4x3x1xf32>) -> (tensor<1x4x3x3xf32>, tensor<1x4x8x6xf32>, tensor<1x4x6x6xf32>, tensor<1x4x4x6xf32>) {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<1x4x6x6xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x3x3xf32>
  %1 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<1x4x6x6xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x8x6xf32>
  %2 = "jic.conv"(%x, %g) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 4 : i64, layout = "nchw"} : (tensor<1x4x6x6xf32>, tensor<4x1x1x1xf32>) -> tensor<1x4x6x6xf32>
  %3 = "jic.conv"(%x, %k) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<1x4x6x6xf32>, tensor<4x4x3x1xf32>) -> tensor<1x4x4x6xf32>
  return %0, %1, %2, %3 : tensor<1x4x3x3xf32>, tensor<1x4x8x6xf32>, tensor<1x4x6x6xf32>, tensor<1x4x4x6xf32>
}
