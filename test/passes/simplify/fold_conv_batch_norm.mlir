// RUN: jic-opt %s --jic-fold-conv-batch-norm | filecheck %s
// RUN: jic-opt %s --jic-fold-conv-batch-norm=scale=output | filecheck %s --check-prefix=OUTPUT

// CHECK-LABEL: func.func @folds
// CHECK: %[[R:.*]] = "jic.rsqrt"
// CHECK: %[[S:.*]] = "jic.mul"(%arg5, %[[R]])
// CHECK: "jic.broadcast"(%[[S]]) {dims = array<i64: 0>} : (tensor<4xf32>) -> tensor<4x3x1x1xf32>
// CHECK: %[[W:.*]] = "jic.mul"(%arg1, %{{.*}})
// CHECK: %[[C:.*]] = "jic.conv"(%arg0, %[[W]])
// CHECK: "jic.sub"(%arg2, %arg3)
// CHECK: "jic.add"(%[[C]], %{{.*}}) : (tensor<2x4x8x8xf32>
// CHECK-NOT: jic.batch_norm
// OUTPUT-LABEL: func.func @folds
// OUTPUT: %[[C:.*]] = "jic.conv"(%arg0, %arg1)
// OUTPUT: %[[M:.*]] = "jic.mul"(%[[C]], %{{.*}}) : (tensor<2x4x8x8xf32>
// OUTPUT: "jic.add"(%[[M]], %{{.*}}) : (tensor<2x4x8x8xf32>
// OUTPUT-NOT: jic.batch_norm
// OUTPUT: return
func.func @folds(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %b: tensor<4xf32>, %m: tensor<4xf32>, %v: tensor<4xf32>, %g: tensor<4xf32>) -> tensor<2x4x8x8xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<2x4x8x8xf32>
  %1 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4x8x8xf32>
  %2 = "jic.add"(%0, %1) : (tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %3 = "jic.batch_norm"(%2, %m, %v, %g) {epsilon = 1.0e-5 : f64} : (tensor<2x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x8x8xf32>
  return %3 : tensor<2x4x8x8xf32>
}

// The convolution's own result is needed too.
// CHECK-LABEL: func.func @two_uses
// CHECK: "jic.conv"(%arg0, %arg1)
// CHECK: jic.batch_norm
func.func @two_uses(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %m: tensor<4xf32>) -> (tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>) {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<2x4x8x8xf32>
  %1 = "jic.batch_norm"(%0, %m, %m) {epsilon = 1.0e-5 : f64} : (tensor<2x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x8x8xf32>
  return %0, %1 : tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>
}

// No convolution.
// CHECK-LABEL: func.func @alone
// CHECK-NEXT: jic.batch_norm
func.func @alone(%x: tensor<2x4x8x8xf32>, %m: tensor<4xf32>) -> tensor<2x4x8x8xf32> {
  %0 = "jic.batch_norm"(%x, %m, %m) {epsilon = 1.0e-5 : f64} : (tensor<2x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x8x8xf32>
  return %0 : tensor<2x4x8x8xf32>
}
