// RUN: jic-opt %s --jic-split-reduction | filecheck %s

// CHECK-LABEL: func.func @full
// CHECK: %[[R:.*]] = "jic.reshape"(%{{.*}}) : (tensor<1024x1024xf32>) -> tensor<64x16384xf32>
// CHECK-NEXT: %[[P:.*]] = "jic.reduce"(%[[R]]) {dims = array<i64: 1>, kind = "sum"}
// CHECK-NEXT: "jic.reduce"(%[[P]]) {dims = array<i64: 0>, kind = "sum"}
func.func @full(%x: tensor<1024x1024xf32>) -> tensor<f32> {
  %0 = "jic.reduce"(%x) {kind = "sum", dims = array<i64: 0, 1>} : (tensor<1024x1024xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// A softmax of one long row stays one kernel; many results are parallel already; an argmax has no partial result.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: "jic.reshape"
// CHECK: return
func.func @kept(%x: tensor<262144xf32>, %y: tensor<64x65536xf32>) -> (tensor<262144xf32>, tensor<64xf32>, tensor<i64>) {
  %0 = "jic.reduce"(%x) {kind = "max", dims = array<i64: 0>} : (tensor<262144xf32>) -> tensor<f32>
  %1 = "jic.broadcast"(%0) {dims = array<i64>} : (tensor<f32>) -> tensor<262144xf32>
  %2 = "jic.sub"(%x, %1) : (tensor<262144xf32>, tensor<262144xf32>) -> tensor<262144xf32>
  %3 = "jic.reduce"(%y) {kind = "sum", dims = array<i64: 1>} : (tensor<64x65536xf32>) -> tensor<64xf32>
  %4 = "jic.reduce"(%x) {kind = "argmax", dims = array<i64: 0>} : (tensor<262144xf32>) -> tensor<i64>
  return %2, %3, %4 : tensor<262144xf32>, tensor<64xf32>, tensor<i64>
}
