// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Every elementwise op with accepted element types; textual and bytecode round trip.

// CHECK-LABEL: func.func @abs(
// CHECK: "jic.abs"(%{{.*}}) : (tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @abs(%a: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.abs"(%a) : (tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @abs_2(
// CHECK: "jic.abs"(%{{.*}}) : (tensor<4xi32>) -> tensor<4xi32>
func.func @abs_2(%a: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.abs"(%a) : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @neg(
// CHECK: "jic.neg"(%{{.*}}) : (tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @neg(%a: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.neg"(%a) : (tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @neg_2(
// CHECK: "jic.neg"(%{{.*}}) : (tensor<4xi32>) -> tensor<4xi32>
func.func @neg_2(%a: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.neg"(%a) : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @sign(
// CHECK: "jic.sign"(%{{.*}}) : (tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @sign(%a: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.sign"(%a) : (tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @sign_2(
// CHECK: "jic.sign"(%{{.*}}) : (tensor<4xi32>) -> tensor<4xi32>
func.func @sign_2(%a: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.sign"(%a) : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @relu(
// CHECK: "jic.relu"(%{{.*}}) : (tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @relu(%a: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.relu"(%a) : (tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @relu_2(
// CHECK: "jic.relu"(%{{.*}}) : (tensor<4xi32>) -> tensor<4xi32>
func.func @relu_2(%a: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.relu"(%a) : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @exp(
// CHECK: "jic.exp"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @exp(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.exp"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @exp2(
// CHECK: "jic.exp2"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @exp2(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.exp2"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @expm1(
// CHECK: "jic.expm1"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @expm1(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.expm1"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @log(
// CHECK: "jic.log"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @log(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.log"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @log2(
// CHECK: "jic.log2"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @log2(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.log2"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @log10(
// CHECK: "jic.log10"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @log10(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.log10"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @log1p(
// CHECK: "jic.log1p"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @log1p(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.log1p"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @sqrt(
// CHECK: "jic.sqrt"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @sqrt(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.sqrt"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @rsqrt(
// CHECK: "jic.rsqrt"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @rsqrt(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.rsqrt"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @reciprocal(
// CHECK: "jic.reciprocal"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @reciprocal(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.reciprocal"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @sin(
// CHECK: "jic.sin"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @sin(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.sin"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @cos(
// CHECK: "jic.cos"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @cos(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.cos"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @tan(
// CHECK: "jic.tan"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @tan(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.tan"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @asin(
// CHECK: "jic.asin"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @asin(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.asin"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @acos(
// CHECK: "jic.acos"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @acos(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.acos"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @atan(
// CHECK: "jic.atan"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @atan(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.atan"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @sinh(
// CHECK: "jic.sinh"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @sinh(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.sinh"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @cosh(
// CHECK: "jic.cosh"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @cosh(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.cosh"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @tanh(
// CHECK: "jic.tanh"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @tanh(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.tanh"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @sigmoid(
// CHECK: "jic.sigmoid"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @sigmoid(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.sigmoid"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @erf(
// CHECK: "jic.erf"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @erf(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.erf"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @floor(
// CHECK: "jic.floor"(%{{.*}}) : (tensor<4x8xf64>) -> tensor<4x8xf64>
func.func @floor(%a: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = "jic.floor"(%a) : (tensor<4x8xf64>) -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// CHECK-LABEL: func.func @ceil(
// CHECK: "jic.ceil"(%{{.*}}) : (tensor<4x8xf16>) -> tensor<4x8xf16>
func.func @ceil(%a: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %0 = "jic.ceil"(%a) : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %0 : tensor<4x8xf16>
}

// CHECK-LABEL: func.func @round(
// CHECK: "jic.round"(%{{.*}}) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
func.func @round(%a: tensor<4x8xbf16>) -> tensor<4x8xbf16> {
  %0 = "jic.round"(%a) : (tensor<4x8xbf16>) -> tensor<4x8xbf16>
  return %0 : tensor<4x8xbf16>
}

// CHECK-LABEL: func.func @trunc(
// CHECK: "jic.trunc"(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @trunc(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = "jic.trunc"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @isnan(
// CHECK: "jic.isnan"(%{{.*}}) : (tensor<4xf32>) -> tensor<4xi1>
func.func @isnan(%a: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.isnan"(%a) : (tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @isnan_2(
// CHECK: "jic.isnan"(%{{.*}}) : (tensor<4xi64>) -> tensor<4xi1>
func.func @isnan_2(%a: tensor<4xi64>) -> tensor<4xi1> {
  %0 = "jic.isnan"(%a) : (tensor<4xi64>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @isinf(
// CHECK: "jic.isinf"(%{{.*}}) : (tensor<4xf32>) -> tensor<4xi1>
func.func @isinf(%a: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.isinf"(%a) : (tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @isinf_2(
// CHECK: "jic.isinf"(%{{.*}}) : (tensor<4xi64>) -> tensor<4xi1>
func.func @isinf_2(%a: tensor<4xi64>) -> tensor<4xi1> {
  %0 = "jic.isinf"(%a) : (tensor<4xi64>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @logical_not(
// CHECK: "jic.logical_not"(%{{.*}}) : (tensor<4xf32>) -> tensor<4xi1>
func.func @logical_not(%a: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.logical_not"(%a) : (tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @logical_not_2(
// CHECK: "jic.logical_not"(%{{.*}}) : (tensor<4xi64>) -> tensor<4xi1>
func.func @logical_not_2(%a: tensor<4xi64>) -> tensor<4xi1> {
  %0 = "jic.logical_not"(%a) : (tensor<4xi64>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @add(
// CHECK: "jic.add"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @add(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.add"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @add_2(
// CHECK: "jic.add"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @add_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.add"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @sub(
// CHECK: "jic.sub"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @sub(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.sub"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @sub_2(
// CHECK: "jic.sub"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @sub_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.sub"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @mul(
// CHECK: "jic.mul"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @mul(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.mul"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @mul_2(
// CHECK: "jic.mul"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @mul_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.mul"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @div(
// CHECK: "jic.div"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @div(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.div"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @div_2(
// CHECK: "jic.div"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @div_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.div"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @rem(
// CHECK: "jic.rem"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @rem(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.rem"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @rem_2(
// CHECK: "jic.rem"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @rem_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.rem"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @mod(
// CHECK: "jic.mod"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @mod(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.mod"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @mod_2(
// CHECK: "jic.mod"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @mod_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.mod"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @pow(
// CHECK: "jic.pow"(%{{.*}}, %{{.*}}) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
func.func @pow(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %0 = "jic.pow"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @pow_2(
// CHECK: "jic.pow"(%{{.*}}, %{{.*}}) : (tensor<i64>, tensor<i64>) -> tensor<i64>
func.func @pow_2(%a: tensor<i64>, %b: tensor<i64>) -> tensor<i64> {
  %0 = "jic.pow"(%a, %b) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// CHECK-LABEL: func.func @maximum(
// CHECK: "jic.maximum"(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
func.func @maximum(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.maximum"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @maximum_2(
// CHECK: "jic.maximum"(%{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @maximum_2(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.maximum"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @minimum(
// CHECK: "jic.minimum"(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
func.func @minimum(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.minimum"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @minimum_2(
// CHECK: "jic.minimum"(%{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @minimum_2(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.minimum"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @atan2(
// CHECK: "jic.atan2"(%{{.*}}, %{{.*}}) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
func.func @atan2(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.atan2"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @and(
// CHECK: "jic.and"(%{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @and(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.and"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @and_2(
// CHECK: "jic.and"(%{{.*}}, %{{.*}}) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
func.func @and_2(%a: tensor<4xi64>, %b: tensor<4xi64>) -> tensor<4xi64> {
  %0 = "jic.and"(%a, %b) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @or(
// CHECK: "jic.or"(%{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @or(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.or"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @or_2(
// CHECK: "jic.or"(%{{.*}}, %{{.*}}) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
func.func @or_2(%a: tensor<4xi64>, %b: tensor<4xi64>) -> tensor<4xi64> {
  %0 = "jic.or"(%a, %b) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @xor(
// CHECK: "jic.xor"(%{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @xor(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.xor"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @xor_2(
// CHECK: "jic.xor"(%{{.*}}, %{{.*}}) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
func.func @xor_2(%a: tensor<4xi64>, %b: tensor<4xi64>) -> tensor<4xi64> {
  %0 = "jic.xor"(%a, %b) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @shl(
// CHECK: "jic.shl"(%{{.*}}, %{{.*}}) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
func.func @shl(%a: tensor<4xi32>, %b: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.shl"(%a, %b) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @shr(
// CHECK: "jic.shr"(%{{.*}}, %{{.*}}) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
func.func @shr(%a: tensor<4xi32>, %b: tensor<4xi32>) -> tensor<4xi32> {
  %0 = "jic.shr"(%a, %b) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// CHECK-LABEL: func.func @not(
// CHECK: "jic.not"(%{{.*}}) : (tensor<4xi1>) -> tensor<4xi1>
func.func @not(%a: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.not"(%a) : (tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @not_2(
// CHECK: "jic.not"(%{{.*}}) : (tensor<4xi64>) -> tensor<4xi64>
func.func @not_2(%a: tensor<4xi64>) -> tensor<4xi64> {
  %0 = "jic.not"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @compare_eq(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "eq"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_eq(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "eq"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_ne(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "ne"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_ne(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "ne"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_lt(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "lt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_lt(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "lt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_le(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "le"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_le(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "le"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_gt(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "gt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_gt(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "gt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_ge(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "ge"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
func.func @compare_ge(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "ge"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @compare_bool(
// CHECK: "jic.compare"(%{{.*}}, %{{.*}}) {predicate = "eq"} : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
func.func @compare_bool(%a: tensor<4xi1>, %b: tensor<4xi1>) -> tensor<4xi1> {
  %0 = "jic.compare"(%a, %b) {predicate = "eq"} : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: func.func @select(
// CHECK: "jic.select"(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
func.func @select(%a: tensor<4xi1>, %b: tensor<4xf32>, %c: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.select"(%a, %b, %c) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @convert(
// CHECK: "jic.convert"(%{{.*}}) : (tensor<4xf32>) -> tensor<4xi64>
func.func @convert(%a: tensor<4xf32>) -> tensor<4xi64> {
  %0 = "jic.convert"(%a) : (tensor<4xf32>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: func.func @convert_2(
// CHECK: "jic.convert"(%{{.*}}) : (tensor<4xi1>) -> tensor<4xbf16>
func.func @convert_2(%a: tensor<4xi1>) -> tensor<4xbf16> {
  %0 = "jic.convert"(%a) : (tensor<4xi1>) -> tensor<4xbf16>
  return %0 : tensor<4xbf16>
}

// CHECK-LABEL: func.func @constant(
// CHECK: "jic.constant"() {value = dense<1.000000e+00> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
func.func @constant() -> tensor<2x2xf32> {
  %0 = "jic.constant"() {value = dense<1.000000e+00> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// CHECK-LABEL: func.func @constant_2(
// CHECK: "jic.constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
func.func @constant_2() -> tensor<2xi64> {
  %0 = "jic.constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

// CHECK-LABEL: func.func @constant_3(
// CHECK: "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
func.func @constant_3() -> tensor<i1> {
  %0 = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  return %0 : tensor<i1>
}

// CHECK-LABEL: func.func @iota(
// CHECK: "jic.iota"() {dim = 1 : i64} : () -> tensor<4x8xi64>
func.func @iota() -> tensor<4x8xi64> {
  %0 = "jic.iota"() {dim = 1 : i64} : () -> tensor<4x8xi64>
  return %0 : tensor<4x8xi64>
}

// CHECK-LABEL: func.func @iota_2(
// CHECK: "jic.iota"() {dim = 0 : i64} : () -> tensor<4xf32>
func.func @iota_2() -> tensor<4xf32> {
  %0 = "jic.iota"() {dim = 0 : i64} : () -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
