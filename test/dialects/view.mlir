// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Ops that move elements.

// CHECK-LABEL: func.func @reshape(
// CHECK: "jic.reshape"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<32xf32>
func.func @reshape(%a: tensor<4x8xf32>) -> tensor<32xf32> {
  %0 = "jic.reshape"(%a) : (tensor<4x8xf32>) -> tensor<32xf32>
  return %0 : tensor<32xf32>
}

// CHECK-LABEL: func.func @reshape_2(
// CHECK: "jic.reshape"(%{{.*}}) : (tensor<f32>) -> tensor<1x1xf32>
func.func @reshape_2(%a: tensor<f32>) -> tensor<1x1xf32> {
  %0 = "jic.reshape"(%a) : (tensor<f32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// CHECK-LABEL: func.func @reshape_dynamic(
// CHECK: "jic.reshape"(%{{.*}}) : (tensor<?x8xf32>) -> tensor<?xf32>
func.func @reshape_dynamic(%a: tensor<?x8xf32>) -> tensor<?xf32> {
  %0 = "jic.reshape"(%a) : (tensor<?x8xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @reshape_empty(
// CHECK: "jic.reshape"(%{{.*}}) : (tensor<0x8xf32>) -> tensor<4x0xf32>
func.func @reshape_empty(%a: tensor<0x8xf32>) -> tensor<4x0xf32> {
  %0 = "jic.reshape"(%a) : (tensor<0x8xf32>) -> tensor<4x0xf32>
  return %0 : tensor<4x0xf32>
}

// CHECK-LABEL: func.func @transpose(
// CHECK: "jic.transpose"(%{{.*}}) {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
func.func @transpose(%a: tensor<2x3x4xf32>) -> tensor<4x2x3xf32> {
  %0 = "jic.transpose"(%a) {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  return %0 : tensor<4x2x3xf32>
}

// CHECK-LABEL: func.func @transpose_scalar(
// CHECK: "jic.transpose"(%{{.*}}) {permutation = array<i64>} : (tensor<f32>) -> tensor<f32>
func.func @transpose_scalar(%a: tensor<f32>) -> tensor<f32> {
  %0 = "jic.transpose"(%a) {permutation = array<i64>} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func @broadcast(
// CHECK: "jic.broadcast"(%{{.*}}) {dims = array<i64: 1>} : (tensor<8xf32>) -> tensor<4x8xf32>
func.func @broadcast(%a: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.broadcast"(%a) {dims = array<i64: 1>} : (tensor<8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @broadcast_size_one(
// CHECK: "jic.broadcast"(%{{.*}}) {dims = array<i64: 0, 1>} : (tensor<4x1xf32>) -> tensor<4x8xf32>
func.func @broadcast_size_one(%a: tensor<4x1xf32>) -> tensor<4x8xf32> {
  %0 = "jic.broadcast"(%a) {dims = array<i64: 0, 1>} : (tensor<4x1xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @broadcast_scalar(
// CHECK: "jic.broadcast"(%{{.*}}) {dims = array<i64>} : (tensor<f32>) -> tensor<4x8xf32>
func.func @broadcast_scalar(%a: tensor<f32>) -> tensor<4x8xf32> {
  %0 = "jic.broadcast"(%a) {dims = array<i64>} : (tensor<f32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @slice(
// CHECK: "jic.slice"(%{{.*}}) {offsets = array<i64: 1, 0>, strides = array<i64: 2, 1>} : (tensor<10x8xf32>) -> tensor<5x8xf32>
func.func @slice(%a: tensor<10x8xf32>) -> tensor<5x8xf32> {
  %0 = "jic.slice"(%a) {offsets = array<i64: 1, 0>, strides = array<i64: 2, 1>} : (tensor<10x8xf32>) -> tensor<5x8xf32>
  return %0 : tensor<5x8xf32>
}

// CHECK-LABEL: func.func @slice_empty(
// CHECK: "jic.slice"(%{{.*}}) {offsets = array<i64: 10>, strides = array<i64: 1>} : (tensor<10xf32>) -> tensor<0xf32>
func.func @slice_empty(%a: tensor<10xf32>) -> tensor<0xf32> {
  %0 = "jic.slice"(%a) {offsets = array<i64: 10>, strides = array<i64: 1>} : (tensor<10xf32>) -> tensor<0xf32>
  return %0 : tensor<0xf32>
}

// CHECK-LABEL: func.func @reverse(
// CHECK: "jic.reverse"(%{{.*}}) {dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @reverse(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.reverse"(%a) {dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @pad(
// CHECK: "jic.pad"(%{{.*}}) {high = array<i64: 0, 2>, low = array<i64: 1, 0>, value = 0.000000e+00 : f32} : (tensor<4x8xf32>) -> tensor<5x10xf32>
func.func @pad(%a: tensor<4x8xf32>) -> tensor<5x10xf32> {
  %0 = "jic.pad"(%a) {high = array<i64: 0, 2>, low = array<i64: 1, 0>, value = 0.000000e+00 : f32} : (tensor<4x8xf32>) -> tensor<5x10xf32>
  return %0 : tensor<5x10xf32>
}

// CHECK-LABEL: func.func @pad_bool(
// CHECK: "jic.pad"(%{{.*}}) {high = array<i64: 1>, low = array<i64: 0>, value = true} : (tensor<4xi1>) -> tensor<5xi1>
func.func @pad_bool(%a: tensor<4xi1>) -> tensor<5xi1> {
  %0 = "jic.pad"(%a) {high = array<i64: 1>, low = array<i64: 0>, value = true} : (tensor<4xi1>) -> tensor<5xi1>
  return %0 : tensor<5xi1>
}

// CHECK-LABEL: func.func @concat(
// CHECK: "jic.concat"(%{{.*}}, %{{.*}}) {dim = 0 : i64} : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
func.func @concat(%a: tensor<4x8xf32>, %b: tensor<2x8xf32>) -> tensor<6x8xf32> {
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
  return %0 : tensor<6x8xf32>
}

// CHECK-LABEL: func.func @concat_one(
// CHECK: "jic.concat"(%{{.*}}) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @concat_one(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.concat"(%a) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @concat_dynamic(
// CHECK: "jic.concat"(%{{.*}}, %{{.*}}) {dim = 0 : i64} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x8xf32>
func.func @concat_dynamic(%a: tensor<?x8xf32>, %b: tensor<2x8xf32>) -> tensor<?x8xf32> {
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
