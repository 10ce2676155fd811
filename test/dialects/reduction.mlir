// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Reductions and scans of every kind.

// CHECK-LABEL: func.func @reduce_sum(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4xf32>
func.func @reduce_sum(%a: tensor<4x8xf32>) -> tensor<4xf32> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @reduce_prod(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "prod"} : (tensor<4x8xf32>) -> tensor<4xf32>
func.func @reduce_prod(%a: tensor<4x8xf32>) -> tensor<4xf32> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "prod"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @reduce_max(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "max"} : (tensor<4x8xf32>) -> tensor<4xf32>
func.func @reduce_max(%a: tensor<4x8xf32>) -> tensor<4xf32> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "max"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @reduce_min(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "min"} : (tensor<4x8xf32>) -> tensor<4xf32>
func.func @reduce_min(%a: tensor<4x8xf32>) -> tensor<4xf32> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "min"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @reduce_any(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 0, 1>, kind = "any"} : (tensor<4x8xi1>) -> tensor<i1>
func.func @reduce_any(%a: tensor<4x8xi1>) -> tensor<i1> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 0, 1>, kind = "any"} : (tensor<4x8xi1>) -> tensor<i1>
  return %0 : tensor<i1>
}

// CHECK-LABEL: func.func @reduce_all(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 0, 1>, kind = "all"} : (tensor<4x8xi1>) -> tensor<i1>
func.func @reduce_all(%a: tensor<4x8xi1>) -> tensor<i1> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 0, 1>, kind = "all"} : (tensor<4x8xi1>) -> tensor<i1>
  return %0 : tensor<i1>
}

// CHECK-LABEL: func.func @reduce_argmax(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "argmax"} : (tensor<4x8xf32>) -> tensor<4xi64>
func.func @reduce_argmax(%a: tensor<4x8xf32>) -> tensor<4xi64> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "argmax"} : (tensor<4x8xf32>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @reduce_argmin(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "argmin"} : (tensor<4x8xf32>) -> tensor<4xi64>
func.func @reduce_argmin(%a: tensor<4x8xf32>) -> tensor<4xi64> {
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "argmin"} : (tensor<4x8xf32>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @reduce_nothing(
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @reduce_nothing(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.reduce"(%a) {dims = array<i64>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @cumulative_sum(
// CHECK: "jic.cumulative"(%{{.*}}) {dim = 1 : i64, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @cumulative_sum(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @cumulative_prod(
// CHECK: "jic.cumulative"(%{{.*}}) {dim = 1 : i64, kind = "prod"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @cumulative_prod(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "prod"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @cumulative_max(
// CHECK: "jic.cumulative"(%{{.*}}) {dim = 1 : i64, kind = "max"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @cumulative_max(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "max"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @cumulative_min(
// CHECK: "jic.cumulative"(%{{.*}}) {dim = 1 : i64, kind = "min"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @cumulative_min(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "min"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
