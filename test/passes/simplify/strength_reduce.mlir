// RUN: jic-opt %s --jic-strength-reduce | filecheck %s
// RUN: jic-opt %s --jic-strength-reduce=fast-math | filecheck %s --check-prefix=FAST

// CHECK-LABEL: func.func @square
// CHECK: "jic.mul"(%arg0, %arg0)
// CHECK-NOT: jic.pow
func.func @square(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = "jic.constant"() {value = dense<2.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.pow"(%x, %two) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Seven multiplications' rounding is too far from pow.
// CHECK-LABEL: func.func @seventh
// CHECK: jic.pow
// FAST-LABEL: func.func @seventh
// FAST-COUNT-4: jic.mul
// FAST-NOT: jic.pow
func.func @seventh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %seven = "jic.constant"() {value = dense<7.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.pow"(%x, %seven) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Only division by a power of two is exact as a product.
// CHECK-LABEL: func.func @divide
// CHECK: jic.mul
// CHECK: jic.div
// CHECK-NOT: jic.mul
// FAST-LABEL: func.func @divide
// FAST-NOT: jic.div
// FAST: return
func.func @divide(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %eight = "jic.constant"() {value = dense<8.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %three = "jic.constant"() {value = dense<3.0> : tensor<4xf32>} : () -> tensor<4xf32>
  %0 = "jic.div"(%x, %eight) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.div"(%x, %three) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @rsqrt
// CHECK-NEXT: "jic.rsqrt"(%arg0)
// CHECK-NEXT: return
func.func @rsqrt(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.sqrt"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.reciprocal"(%0) : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// Unsigned division shifts; signed division rounds towards zero, so negative dividends are raised first.
// CHECK-LABEL: func.func @integers
// CHECK: "jic.shr"(%arg0, %{{.*}}) : (tensor<4xui8>
// CHECK: "jic.shr"(%arg1, %{{.*}})
// CHECK: jic.and
// CHECK: jic.add
// CHECK: jic.shr
// CHECK: jic.and
// CHECK: return
func.func @integers(%u: tensor<4xui8>, %s: tensor<4xi32>) -> (tensor<4xui8>, tensor<4xi32>, tensor<4xi32>) {
  %4 = "jic.constant"() {value = dense<4> : tensor<4xui8>} : () -> tensor<4xui8>
  %8 = "jic.constant"() {value = dense<8> : tensor<4xi32>} : () -> tensor<4xi32>
  %0 = "jic.div"(%u, %4) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %1 = "jic.div"(%s, %8) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  %2 = "jic.mod"(%s, %8) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0, %1, %2 : tensor<4xui8>, tensor<4xi32>, tensor<4xi32>
}
