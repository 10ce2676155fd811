// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of window ops reject.

func.func @conv_1(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3xf32>) {
  // expected-error@+1 {{'jic.conv' op operand #1 (filter) has rank 3, expected the input's 4}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_2(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op attribute 'layout' must be one of nchw, nhwc; got nchwc}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchwc", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_3(%a: tensor<4x8xf32>, %b: tensor<6x4xf32>) {
  // expected-error@+1 {{'jic.conv' op operand #0 has rank 2 and the result 2, expected equal ranks of 3, 4 or 5}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64>, groups = 1 : i64, layout = "nchw", padding = array<i64>, stride = array<i64>} : (tensor<4x8xf32>, tensor<6x4xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @conv_4(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op operand #0 has rank 4 and the result 3, expected equal ranks of 3, 4 or 5}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6xf32>
  return
}

// -----

func.func @conv_5(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op attribute 'stride' has 1 entries, expected 2}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_6(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op attribute 'padding' has 2 entries, expected 4}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_7(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op stride, dilation and window must be positive and padding must not be negative}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 0, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_8(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op stride, dilation and window must be positive and padding must not be negative}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, -1, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_9(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op result dim 2 has size 7, expected 6}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x7x6xf32>
  return
}

// -----

func.func @conv_10(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op result has batch size 2, expected 1}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x6x6xf32>
  return
}

// -----

func.func @conv_11(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op result has element type f64, expected f32}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf64>
  return
}

// -----

func.func @conv_12(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op groups is 3, expected a divisor of 4 input and 6 output channels}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 3 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_13(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op operand #1 (filter) channels has shape 6x4, expected 6x2}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 2 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_14(%a: tensor<1x4x8x8xf32>, %b: tensor<5x4x3x3xf32>) {
  // expected-error@+1 {{'jic.conv' op operand #1 (filter) channels has shape 5x4, expected 6x4}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<5x4x3x3xf32>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @conv_15(%a: tensor<1x4x8x8xf32>, %b: tensor<6x4x3x3xf64>) {
  // expected-error@+1 {{'jic.conv' op operand #1 (filter) has element type f64, expected f32}}
  %0 = "jic.conv"(%a, %b) {dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf64>) -> tensor<1x6x6x6xf32>
  return
}

// -----

func.func @pool_1(%a: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'jic.pool' op attribute 'kind' must be one of max, sum, avg; got median}}
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "median", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @pool_2(%a: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'jic.pool' op attribute 'window' has 1 entries, expected 2}}
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @pool_3(%a: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'jic.pool' op stride, dilation and window must be positive and padding must not be negative}}
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 0, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @pool_4(%a: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'jic.pool' op result dim 2 has size 5, expected 4}}
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x5x4xf32>
  return
}

// -----

func.func @pool_5(%a: tensor<1x4x8x8xf32>) {
  // expected-error@+1 {{'jic.pool' op result has 5 channels, expected 4}}
  %0 = "jic.pool"(%a) {dilation = array<i64: 1, 1>, kind = "max", layout = "nchw", padding = array<i64: 0, 0, 0, 0>, stride = array<i64: 2, 2>, window = array<i64: 2, 2>} : (tensor<1x4x8x8xf32>) -> tensor<1x5x4x4xf32>
  return
}

// -----

func.func @pool_6(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.pool' op operand #0 has rank 1 and the result 1, expected equal ranks of 3, 4 or 5}}
  %0 = "jic.pool"(%a) {dilation = array<i64>, kind = "max", layout = "nchw", padding = array<i64>, stride = array<i64>, window = array<i64>} : (tensor<4xf32>) -> tensor<4xf32>
  return
}
