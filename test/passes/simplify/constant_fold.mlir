// RUN: jic-opt %s --jic-constant-fold | filecheck %s
// RUN: jic-opt %s --jic-constant-fold=limit=2 | filecheck %s --check-prefix=SMALL

// Splats fold at any size.
// CHECK-LABEL: func.func @splats
// CHECK: dense<5.000000e+00> : tensor<1024x1024xf32>
// CHECK-NOT: jic.add
// SMALL-LABEL: func.func @splats
// SMALL-NOT: jic.add
func.func @splats() -> tensor<1024x1024xf32> {
  %0 = "jic.constant"() {value = dense<2.0> : tensor<1024x1024xf32>} : () -> tensor<1024x1024xf32>
  %1 = "jic.constant"() {value = dense<3.0> : tensor<1024x1024xf32>} : () -> tensor<1024x1024xf32>
  %2 = "jic.add"(%0, %1) : (tensor<1024x1024xf32>, tensor<1024x1024xf32>) -> tensor<1024x1024xf32>
  return %2 : tensor<1024x1024xf32>
}

// Integers wrap; views of constants are constants.
// CHECK-LABEL: func.func @wraps
// CHECK: dense<{{\[\[}}2, 4], [6, -2{{\]\]}}> : tensor<2x2xi32>
// SMALL-LABEL: func.func @wraps
// SMALL: jic.add
// SMALL: jic.reshape
func.func @wraps() -> tensor<2x2xi32> {
  %0 = "jic.constant"() {value = dense<[1, 2, 3, 2147483647]> : tensor<4xi32>} : () -> tensor<4xi32>
  %1 = "jic.add"(%0, %0) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  %2 = "jic.reshape"(%1) : (tensor<4xi32>) -> tensor<2x2xi32>
  return %2 : tensor<2x2xi32>
}

// A bf16 result is rounded to bf16.
// CHECK-LABEL: func.func @bf16
// CHECK: dense<[2.718750e+00, 0x7FC0]> : tensor<2xbf16>
func.func @bf16() -> tensor<2xbf16> {
  %0 = "jic.constant"() {value = dense<[1.0, 0x7FC0]> : tensor<2xbf16>} : () -> tensor<2xbf16>
  %1 = "jic.exp"(%0) : (tensor<2xbf16>) -> tensor<2xbf16>
  return %1 : tensor<2xbf16>
}

// An iota is evaluated for an op, and reductions are too.
// CHECK-LABEL: func.func @iota
// CHECK: dense<3> : tensor<2xi64>
// CHECK-NOT: jic.reduce
// CHECK: return
func.func @iota() -> tensor<2xi64> {
  %0 = "jic.iota"() {dim = 1 : i64} : () -> tensor<2x3xi64>
  %1 = "jic.reduce"(%0) {kind = "sum", dims = array<i64: 1>} : (tensor<2x3xi64>) -> tensor<2xi64>
  %2 = "jic.iota"() {dim = 0 : i64} : () -> tensor<2xi64>
  %3 = "jic.sub"(%2, %2) : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  %4 = "jic.add"(%1, %3) : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  return %4 : tensor<2xi64>
}

// An iota alone stays: kernels compute it.
// CHECK-LABEL: func.func @iota_stays
// CHECK: jic.iota
func.func @iota_stays() -> tensor<4xi64> {
  %0 = "jic.iota"() {dim = 0 : i64} : () -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// Division by zero has no value.
// CHECK-LABEL: func.func @undefined
// CHECK: jic.div
func.func @undefined() -> tensor<4xi32> {
  %0 = "jic.constant"() {value = dense<1> : tensor<4xi32>} : () -> tensor<4xi32>
  %1 = "jic.constant"() {value = dense<0> : tensor<4xi32>} : () -> tensor<4xi32>
  %2 = "jic.div"(%0, %1) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %2 : tensor<4xi32>
}
