// RUN: jic-opt %s --jic-conv-layout | filecheck %s
// RUN: jic-opt %s --jic-conv-layout=layout=nchw | filecheck %s --check-prefix=NCHW
// RUN: jic-opt %s --jic-conv-layout=layout=nhwc | filecheck %s --check-prefix=NHWC

// One transpose at the entry, none at the exit: the mean over the spatial dims has none.
// CHECK-LABEL: func.func @net
// CHECK: "jic.transpose"(%arg0) {permutation = array<i64: 0, 2, 3, 1>}
// CHECK: jic.conv{{.*}}layout = "nhwc"
// CHECK: "jic.broadcast"(%arg2) {dims = array<i64: 3>}
// CHECK: jic.pool{{.*}}layout = "nhwc"
// CHECK: jic.conv{{.*}}layout = "nhwc"
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1, 2>, kind = "sum"}
// CHECK-NOT: jic.transpose
// CHECK: return
// NCHW-LABEL: func.func @net
// NCHW-NOT: jic.transpose
// NCHW: return
func.func @net(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %b: tensor<4xf32>, %v: tensor<4x4x1x1xf32>) -> tensor<2x4xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<2x4x8x8xf32>
  %1 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4x8x8xf32>
  %2 = "jic.add"(%0, %1) : (tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %3 = "jic.pool"(%2) {kind = "max", window = array<i64: 1, 1>, stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, layout = "nchw"} : (tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %4 = "jic.conv"(%3, %v) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<2x4x8x8xf32>
  %5 = "jic.add"(%4, %3) : (tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %6 = "jic.reduce"(%5) {kind = "sum", dims = array<i64: 2, 3>} : (tensor<2x4x8x8xf32>) -> tensor<2x4xf32>
  return %6 : tensor<2x4xf32>
}

// A result in the caller's layout keeps one at the exit; an addend that nothing else needs in the new layout stays as it is.
// The convolution stands alone, so `auto` leaves it.
// NHWC-LABEL: func.func @exit
// NHWC: %[[C:.*]] = "jic.conv"
// NHWC: %[[E:.*]] = "jic.exp"(%[[C]])
// NHWC: %[[T:.*]] = "jic.transpose"(%[[E]]) {permutation = array<i64: 0, 3, 1, 2>}
// NHWC: "jic.add"(%[[T]], %arg0)
// CHECK-LABEL: func.func @exit
// CHECK-NOT: jic.transpose
// CHECK: return
func.func @exit(%x: tensor<2x4x8x8xf32>, %w: tensor<4x4x1x1xf32>) -> tensor<2x4x8x8xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<2x4x8x8xf32>
  %1 = "jic.exp"(%0) : (tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %2 = "jic.add"(%1, %x) : (tensor<2x4x8x8xf32>, tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  return %2 : tensor<2x4x8x8xf32>
}

// Convolutions over one dim are left alone.
// CHECK-LABEL: func.func @conv1d
// CHECK-NEXT: layout = "nchw"
func.func @conv1d(%x: tensor<2x4x8xf32>, %w: tensor<4x4x1xf32>) -> tensor<2x4x8xf32> {
  %0 = "jic.conv"(%x, %w) {stride = array<i64: 1>, padding = array<i64: 0, 0>, dilation = array<i64: 1>, groups = 1 : i64, layout = "nchw"} : (tensor<2x4x8xf32>, tensor<4x4x1xf32>) -> tensor<2x4x8xf32>
  return %0 : tensor<2x4x8xf32>
}
