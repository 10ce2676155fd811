// RUN: jic-opt %s --jic-fuse-conv | filecheck %s

// CHECK-LABEL: func.func @conv_bias_relu
// CHECK-NEXT: "jic.fused"
// CHECK: "jic.conv"
// CHECK: "jic.broadcast"
// CHECK: "jic.add"
// CHECK: "jic.relu"
// CHECK: kind = "window"
// CHECK-NEXT: return
func.func @conv_bias_relu(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<4xf32>) -> tensor<1x4x6x6xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
  %1 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<1x4x6x6xf32>
  %2 = "jic.add"(%0, %1) : (tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  %3 = "jic.relu"(%2) : (tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  return %3 : tensor<1x4x6x6xf32>
}

// A pad is a prologue of a pool; an activation before it is not.
// CHECK-LABEL: func.func @pad_pool
// CHECK: "jic.tanh"
// CHECK-NEXT: "jic.fused"
// CHECK: "jic.pad"
// CHECK-NEXT: "jic.pool"
// CHECK: kind = "window"
func.func @pad_pool(%x: tensor<1x3x7x7xf32>) -> tensor<1x3x4x4xf32> {
  %0 = "jic.tanh"(%x) : (tensor<1x3x7x7xf32>) -> tensor<1x3x7x7xf32>
  %1 = "jic.pad"(%0) {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 0, 0>, value = 0xFF800000 : f32} : (tensor<1x3x7x7xf32>) -> tensor<1x3x8x8xf32>
  %2 = "jic.pool"(%1) {kind = "max", window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, layout = "nchw"} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return %2 : tensor<1x3x4x4xf32>
}

// Zeros are no padding of a maximum.
// CHECK-LABEL: func.func @pad_of_another_value
// CHECK-NEXT: "jic.pad"
// CHECK-NEXT: "jic.pool"
func.func @pad_of_another_value(%x: tensor<1x3x7x7xf32>) -> tensor<1x3x4x4xf32> {
  %1 = "jic.pad"(%x) {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 0, 0>, value = 0.0 : f32} : (tensor<1x3x7x7xf32>) -> tensor<1x3x8x8xf32>
  %2 = "jic.pool"(%1) {kind = "max", window = array<i64: 2, 2>, stride = array<i64: 2, 2>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, layout = "nchw"} : (tensor<1x3x8x8xf32>) -> tensor<1x3x4x4xf32>
  return %2 : tensor<1x3x4x4xf32>
}
