// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of elementwise ops reject.

func.func @abs_1(%a: tensor<4xi1>) {
  // expected-error@+1 {{'jic.abs' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.abs"(%a) : (tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @neg_1(%a: tensor<4xi1>) {
  // expected-error@+1 {{'jic.neg' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.neg"(%a) : (tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @sign_1(%a: tensor<4xi1>) {
  // expected-error@+1 {{'jic.sign' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.sign"(%a) : (tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @relu_1(%a: tensor<4xi1>) {
  // expected-error@+1 {{'jic.relu' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.relu"(%a) : (tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @exp_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.exp' op operand #0 has element type i64, expected float}}
  %0 = "jic.exp"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @exp2_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.exp2' op operand #0 has element type i64, expected float}}
  %0 = "jic.exp2"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @expm1_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.expm1' op operand #0 has element type i64, expected float}}
  %0 = "jic.expm1"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @log_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.log' op operand #0 has element type i64, expected float}}
  %0 = "jic.log"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @log2_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.log2' op operand #0 has element type i64, expected float}}
  %0 = "jic.log2"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @log10_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.log10' op operand #0 has element type i64, expected float}}
  %0 = "jic.log10"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @log1p_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.log1p' op operand #0 has element type i64, expected float}}
  %0 = "jic.log1p"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @sqrt_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.sqrt' op operand #0 has element type i64, expected float}}
  %0 = "jic.sqrt"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @rsqrt_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.rsqrt' op operand #0 has element type i64, expected float}}
  %0 = "jic.rsqrt"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @reciprocal_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.reciprocal' op operand #0 has element type i64, expected float}}
  %0 = "jic.reciprocal"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @sin_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.sin' op operand #0 has element type i64, expected float}}
  %0 = "jic.sin"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @cos_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.cos' op operand #0 has element type i64, expected float}}
  %0 = "jic.cos"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @tan_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.tan' op operand #0 has element type i64, expected float}}
  %0 = "jic.tan"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @asin_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.asin' op operand #0 has element type i64, expected float}}
  %0 = "jic.asin"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @acos_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.acos' op operand #0 has element type i64, expected float}}
  %0 = "jic.acos"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @atan_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.atan' op operand #0 has element type i64, expected float}}
  %0 = "jic.atan"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @sinh_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.sinh' op operand #0 has element type i64, expected float}}
  %0 = "jic.sinh"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @cosh_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.cosh' op operand #0 has element type i64, expected float}}
  %0 = "jic.cosh"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @tanh_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.tanh' op operand #0 has element type i64, expected float}}
  %0 = "jic.tanh"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @sigmoid_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.sigmoid' op operand #0 has element type i64, expected float}}
  %0 = "jic.sigmoid"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @erf_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.erf' op operand #0 has element type i64, expected float}}
  %0 = "jic.erf"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @floor_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.floor' op operand #0 has element type i64, expected float}}
  %0 = "jic.floor"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @ceil_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.ceil' op operand #0 has element type i64, expected float}}
  %0 = "jic.ceil"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @round_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.round' op operand #0 has element type i64, expected float}}
  %0 = "jic.round"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @trunc_1(%a: tensor<4xi64>) {
  // expected-error@+1 {{'jic.trunc' op operand #0 has element type i64, expected float}}
  %0 = "jic.trunc"(%a) : (tensor<4xi64>) -> tensor<4xi64>
  return
}

// -----

func.func @isnan_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.isnan' op result has element type f32, expected i1}}
  %0 = "jic.isnan"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @isnan_2(%a: tensor<4xcomplex<f32>>) {
  // expected-error@+1 {{'jic.isnan' op operand #0 has element type complex<f32>, expected float or integer or bool}}
  %0 = "jic.isnan"(%a) : (tensor<4xcomplex<f32>>) -> tensor<4xi1>
  return
}

// -----

func.func @isinf_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.isinf' op result has element type f32, expected i1}}
  %0 = "jic.isinf"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @isinf_2(%a: tensor<4xcomplex<f32>>) {
  // expected-error@+1 {{'jic.isinf' op operand #0 has element type complex<f32>, expected float or integer or bool}}
  %0 = "jic.isinf"(%a) : (tensor<4xcomplex<f32>>) -> tensor<4xi1>
  return
}

// -----

func.func @logical_not_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.logical_not' op result has element type f32, expected i1}}
  %0 = "jic.logical_not"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @logical_not_2(%a: tensor<4xcomplex<f32>>) {
  // expected-error@+1 {{'jic.logical_not' op operand #0 has element type complex<f32>, expected float or integer or bool}}
  %0 = "jic.logical_not"(%a) : (tensor<4xcomplex<f32>>) -> tensor<4xi1>
  return
}

// -----

func.func @add_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.add' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.add"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @sub_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.sub' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.sub"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @mul_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.mul' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.mul"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @div_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.div' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.div"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @rem_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.rem' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.rem"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @mod_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.mod' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.mod"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @pow_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.pow' op operand #0 has element type i1, expected float or integer}}
  %0 = "jic.pow"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @maximum_1(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  // expected-error@+1 {{'jic.maximum' op operand #1 has element type f64, expected f32}}
  %0 = "jic.maximum"(%a, %b) : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @minimum_1(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  // expected-error@+1 {{'jic.minimum' op operand #1 has element type f64, expected f32}}
  %0 = "jic.minimum"(%a, %b) : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @atan2_1(%a: tensor<4xi32>, %b: tensor<4xi32>) {
  // expected-error@+1 {{'jic.atan2' op operand #0 has element type i32, expected float}}
  %0 = "jic.atan2"(%a, %b) : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return
}

// -----

func.func @and_1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.and' op operand #0 has element type f32, expected integer or bool}}
  %0 = "jic.and"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @or_1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.or' op operand #0 has element type f32, expected integer or bool}}
  %0 = "jic.or"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @xor_1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.xor' op operand #0 has element type f32, expected integer or bool}}
  %0 = "jic.xor"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @shl_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.shl' op operand #0 has element type i1, expected integer}}
  %0 = "jic.shl"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @shr_1(%a: tensor<4xi1>, %b: tensor<4xi1>) {
  // expected-error@+1 {{'jic.shr' op operand #0 has element type i1, expected integer}}
  %0 = "jic.shr"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @not_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.not' op operand #0 has element type f32, expected integer or bool}}
  %0 = "jic.not"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @exp_2(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.exp' op expected 1 operand, got 2}}
  %0 = "jic.exp"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @exp_3(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.exp' op expected 1 result, got 2}}
  %0:2 = "jic.exp"(%a) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @exp_4(%a: f32) {
  // expected-error@+1 {{'jic.exp' op operand #0 must be a ranked tensor, got f32}}
  %0 = "jic.exp"(%a) : (f32) -> f32
  return
}

// -----

func.func @exp_5(%a: tensor<*xf32>) {
  // expected-error@+1 {{'jic.exp' op operand #0 must be a ranked tensor, got tensor<*xf32>}}
  %0 = "jic.exp"(%a) : (tensor<*xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @exp_6(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.exp' op result must be a ranked tensor, got f32}}
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> f32
  return
}

// -----

func.func @exp_7(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.exp' op result has shape 8x4, expected 4x8}}
  %0 = "jic.exp"(%a) : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @exp_8(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.exp' op result has element type f64, expected f32}}
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf64>
  return
}

// -----

func.func @add_2(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.add' op expected 2 operands, got 1}}
  %0 = "jic.add"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @add_3(%a: tensor<4xf32>, %b: f32) {
  // expected-error@+1 {{'jic.add' op operand #1 must be a ranked tensor, got f32}}
  %0 = "jic.add"(%a, %b) : (tensor<4xf32>, f32) -> tensor<4xf32>
  return
}

// -----

func.func @add_4(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.add' op operand #1 has shape 5, expected 4}}
  %0 = "jic.add"(%a, %b) : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @add_5(%a: tensor<4xf32>, %b: tensor<f32>) {
  // expected-error@+1 {{'jic.add' op operand #1 has shape scalar, expected 4}}
  %0 = "jic.add"(%a, %b) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return
}

// -----

func.func @add_6(%a: tensor<4xf32>, %b: tensor<4xbf16>) {
  // expected-error@+1 {{'jic.add' op operand #1 has element type bf16, expected f32}}
  %0 = "jic.add"(%a, %b) : (tensor<4xf32>, tensor<4xbf16>) -> tensor<4xf32>
  return
}

// -----

func.func @add_7(%a: tensor<4x?xf32>, %b: tensor<4x?xf32>) {
  // expected-error@+1 {{'jic.add' op result has shape 5x?, expected 4x?}}
  %0 = "jic.add"(%a, %b) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<5x?xf32>
  return
}

// -----

func.func @compare_1(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.compare' op requires attribute 'predicate'}}
  %0 = "jic.compare"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @compare_2(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.compare' op attribute 'predicate' must be one of eq, ne, lt, le, gt, ge; got <}}
  %0 = "jic.compare"(%a, %b) {predicate = "<"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @compare_3(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.compare' op result has element type f32, expected i1}}
  %0 = "jic.compare"(%a, %b) {predicate = "lt"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @compare_4(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'jic.compare' op operand #1 has shape 3, expected 4}}
  %0 = "jic.compare"(%a, %b) {predicate = "lt"} : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @select_1(%a: tensor<4xi1>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.select' op expected 3 operands, got 2}}
  %0 = "jic.select"(%a, %b) : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_2(%a: tensor<4xf32>, %b: tensor<4xf32>, %c: tensor<4xf32>) {
  // expected-error@+1 {{'jic.select' op operand #0 (condition) has element type f32, expected i1}}
  %0 = "jic.select"(%a, %b, %c) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_3(%a: tensor<1xi1>, %b: tensor<4xf32>, %c: tensor<4xf32>) {
  // expected-error@+1 {{'jic.select' op operand #0 (condition) has shape 1, expected 4}}
  %0 = "jic.select"(%a, %b, %c) : (tensor<1xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_4(%a: tensor<4xi1>, %b: tensor<5xf32>, %c: tensor<4xf32>) {
  // expected-error@+1 {{'jic.select' op operand #1 (on_true) has shape 5, expected 4}}
  %0 = "jic.select"(%a, %b, %c) : (tensor<4xi1>, tensor<5xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_5(%a: tensor<4xi1>, %b: tensor<4xf32>, %c: tensor<5xf32>) {
  // expected-error@+1 {{'jic.select' op operand #2 (on_false) has shape 5, expected 4}}
  %0 = "jic.select"(%a, %b, %c) : (tensor<4xi1>, tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @select_6(%a: tensor<4xi1>, %b: tensor<4xf32>, %c: tensor<4xf64>) {
  // expected-error@+1 {{'jic.select' op operand #2 (on_false) has element type f64, expected f32}}
  %0 = "jic.select"(%a, %b, %c) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  return
}

// -----

func.func @convert_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.convert' op result has shape 5, expected 4}}
  %0 = "jic.convert"(%a) : (tensor<4xf32>) -> tensor<5xi64>
  return
}

// -----

func.func @constant_1() {
  // expected-error@+1 {{'jic.constant' op requires attribute 'value'}}
  %0 = "jic.constant"() : () -> tensor<2xf32>
  return
}

// -----

func.func @constant_2() {
  // expected-error@+1 {{'jic.constant' op attribute 'value' has type tensor<3xf32>, expected the result's type tensor<2xf32>}}
  %0 = "jic.constant"() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<2xf32>
  return
}

// -----

func.func @constant_3() {
  // expected-error@+1 {{'jic.constant' op attribute 'value' must be dense elements, got 1.000000e+00 : f32}}
  %0 = "jic.constant"() {value = 1.0 : f32} : () -> tensor<2xf32>
  return
}

// -----

func.func @constant_4() {
  // expected-error@+1 {{'jic.constant' op attribute 'value' must be dense elements, got "x"}}
  %0 = "jic.constant"() {value = "x"} : () -> tensor<2xf32>
  return
}

// -----

func.func @iota_1() {
  // expected-error@+1 {{'jic.iota' op attribute 'dim' is 2, expected 0 <= dim < 2}}
  %0 = "jic.iota"() {dim = 2 : i64} : () -> tensor<4x8xi64>
  return
}

// -----

func.func @iota_2() {
  // expected-error@+1 {{'jic.iota' op attribute 'dim' is -1, expected 0 <= dim < 2}}
  %0 = "jic.iota"() {dim = -1 : i64} : () -> tensor<4x8xi64>
  return
}

// -----

func.func @iota_3() {
  // expected-error@+1 {{'jic.iota' op attribute 'dim' must be an integer, got "x"}}
  %0 = "jic.iota"() {dim = "x"} : () -> tensor<4x8xi64>
  return
}

// -----

func.func @iota_4() {
  // expected-error@+1 {{'jic.iota' op result has element type i1, expected float or integer}}
  %0 = "jic.iota"() {dim = 0 : i64} : () -> tensor<4xi1>
  return
}
