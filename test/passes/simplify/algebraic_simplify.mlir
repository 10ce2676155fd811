// RUN: jic-opt %s --jic-algebraic-simplify | filecheck %s
// RUN: jic-opt %s --jic-algebraic-simplify=fast-math | filecheck %s --check-prefix=FAST

// CHECK-LABEL: func.func @exact
// CHECK: return %arg0, %arg0, %arg0, %arg0
func.func @exact(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %one = "jic.constant"() {value = dense<1.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %zero = "jic.constant"() {value = dense<0.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %negative = "jic.constant"() {value = dense<-0.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.mul"(%one, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.sub"(%x, %zero) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "jic.add"(%x, %negative) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = "jic.neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %4 = "jic.neg"(%3) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2, %4 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// Wrong for -0.0, NaN or infinities: only with fast-math.
// CHECK-LABEL: func.func @inexact
// CHECK: jic.add
// CHECK: jic.mul
// CHECK: jic.sub
// FAST-LABEL: func.func @inexact
// FAST: %[[Z:.*]] = "jic.constant"() {value = dense<0.000000e+00>
// FAST-NOT: jic.add
// FAST-NOT: jic.mul
// FAST-NOT: jic.sub
// FAST: return %arg0
func.func @inexact(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = "jic.constant"() {value = dense<0.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.add"(%x, %zero) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.mul"(%x, %zero) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = "jic.sub"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @integers
// CHECK: %[[Z:.*]] = "jic.constant"() {value = dense<0> : tensor<4xi32>}
// CHECK-NOT: jic.mul
// CHECK-NOT: jic.sub
// CHECK: return
func.func @integers(%x: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  %zero = "jic.constant"() {value = dense<0> : tensor<4xi32>} : () -> tensor<4xi32>
  %0 = "jic.mul"(%x, %zero) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  %1 = "jic.sub"(%x, %x) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0, %1 : tensor<4xi32>, tensor<4xi32>
}

// The inverse of an ordered comparison of floats is not a comparison; of integers it is.
// CHECK-LABEL: func.func @comparisons
// CHECK: "jic.compare"(%arg0, %{{.*}}) {predicate = "lt"}
// CHECK: jic.not
// CHECK: "jic.compare"(%arg1, %{{.*}}) {predicate = "ge"}
// CHECK-NOT: jic.not
func.func @comparisons(%x: tensor<2xf32>, %i: tensor<2xi32>, %j: tensor<2xi32>) -> (tensor<2xi1>, tensor<2xi1>) {
  %y = "jic.exp"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %0 = "jic.compare"(%x, %y) {predicate = "lt"} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi1>
  %1 = "jic.not"(%0) : (tensor<2xi1>) -> tensor<2xi1>
  %2 = "jic.compare"(%i, %j) {predicate = "lt"} : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi1>
  %3 = "jic.not"(%2) : (tensor<2xi1>) -> tensor<2xi1>
  return %1, %3 : tensor<2xi1>, tensor<2xi1>
}

// A conversion by way of a type that holds every value; bf16 does not hold every f32.
// CHECK-LABEL: func.func @conversions
// CHECK: "jic.convert"(%arg0) : (tensor<2xbf16>) -> tensor<2xf64>
// CHECK: "jic.convert"(%arg1) : (tensor<2xf32>) -> tensor<2xbf16>
// CHECK: "jic.convert"(%{{.*}}) : (tensor<2xbf16>) -> tensor<2xf32>
func.func @conversions(%x: tensor<2xbf16>, %y: tensor<2xf32>) -> (tensor<2xf64>, tensor<2xf32>) {
  %0 = "jic.convert"(%x) : (tensor<2xbf16>) -> tensor<2xf32>
  %1 = "jic.convert"(%0) : (tensor<2xf32>) -> tensor<2xf64>
  %2 = "jic.convert"(%y) : (tensor<2xf32>) -> tensor<2xbf16>
  %3 = "jic.convert"(%2) : (tensor<2xbf16>) -> tensor<2xf32>
  return %1, %3 : tensor<2xf64>, tensor<2xf32>
}

// CHECK-LABEL: func.func @selects
// CHECK-NEXT: "jic.select"(%arg0, %arg2, %arg1)
// CHECK-NEXT: return %{{.*}}, %arg1
func.func @selects(%c: tensor<2xi1>, %x: tensor<2xf32>, %y: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = "jic.not"(%c) : (tensor<2xi1>) -> tensor<2xi1>
  %1 = "jic.select"(%0, %x, %y) : (tensor<2xi1>, tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %2 = "jic.select"(%c, %x, %x) : (tensor<2xi1>, tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %1, %2 : tensor<2xf32>, tensor<2xf32>
}
