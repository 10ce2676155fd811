// RUN: jic-opt %s --jic-decompose | filecheck %s
// RUN: jic-opt %s --pass-pipeline='builtin.module(jic-decompose{keep={softmax,attention}})' | filecheck %s --check-prefix=KEEP

// CHECK-LABEL: func.func @softmax
// CHECK: %[[X:.*]] = "jic.convert"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xf32>
// CHECK: "jic.reduce"(%[[X]]) {dims = array<i64: 1>, kind = "max"}
// CHECK: "jic.exp"
// CHECK: "jic.reduce"(%{{.*}}) {dims = array<i64: 1>, kind = "sum"}
// CHECK: %[[Y:.*]] = "jic.div"
// CHECK: "jic.convert"(%[[Y]]) : (tensor<4x8xf32>) -> tensor<4x8xbf16>
// KEEP-LABEL: func.func @softmax
// KEEP: "jic.softmax"
func.func @softmax(%x: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.softmax"(%x) {dim = 1 : i64, log = false} : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @layer_norm
// CHECK: "jic.reduce"{{.*}}kind = "sum"
// CHECK: %[[C:.*]] = "jic.sub"
// CHECK: "jic.mul"(%[[C]], %[[C]])
// CHECK: "jic.reduce"{{.*}}kind = "sum"
// CHECK: "jic.rsqrt"
// KEEP-LABEL: func.func @layer_norm
// KEEP-NOT: "jic.layer_norm"
func.func @layer_norm(%x: tensor<4x8xf32>, %w: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.layer_norm"(%x, %w) {rank = 1 : i64, epsilon = 1.0e-5 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @attention
// CHECK: "jic.matmul"{{.*}}transpose_rhs = true
// CHECK: "jic.iota"
// CHECK: "jic.compare"
// CHECK: "jic.select"
// CHECK: "jic.matmul"{{.*}}transpose_rhs = false
// KEEP-LABEL: func.func @attention
// KEEP: "jic.attention"
func.func @attention(%q: tensor<2x4x8xf32>, %k: tensor<2x5x8xf32>, %v: tensor<2x5x3xf32>) -> tensor<2x4x3xf32> {
  %0 = "jic.attention"(%q, %k, %v) {scale = 0.5 : f64, causal = true} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x3xf32>) -> tensor<2x4x3xf32>
  return %0 : tensor<2x4x3xf32>
}
