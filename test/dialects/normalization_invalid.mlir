// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of composites reject.

func.func @softmax_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.softmax' op attribute 'dim' is 2, expected 0 <= dim < 2}}
  %0 = "jic.softmax"(%a) {dim = 2 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @softmax_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.softmax' op attribute 'log' must be true or false, got 1 : i64}}
  %0 = "jic.softmax"(%a) {dim = 1 : i64, log = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @softmax_3(%a: tensor<4x8xi64>) {
  // expected-error@+1 {{'jic.softmax' op operand #0 has element type i64, expected float}}
  %0 = "jic.softmax"(%a) {dim = 1 : i64, log = false} : (tensor<4x8xi64>) -> tensor<4x8xi64>
  return
}

// -----

func.func @softmax_4(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.softmax' op result has shape 4, expected 4x8}}
  %0 = "jic.softmax"(%a) {dim = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @softmax_5(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.softmax' op result has element type f64, expected f32}}
  %0 = "jic.softmax"(%a) {dim = 1 : i64, log = false} : (tensor<4x8xf32>) -> tensor<4x8xf64>
  return
}

// -----

func.func @layer_norm_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op attribute 'rank' is 3, expected 1 to 2}}
  %0 = "jic.layer_norm"(%a) {epsilon = 1.000000e-05 : f64, rank = 3 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op attribute 'rank' is 0, expected 1 to 2}}
  %0 = "jic.layer_norm"(%a) {epsilon = 1.000000e-05 : f64, rank = 0 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_3(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op requires attribute 'epsilon'}}
  %0 = "jic.layer_norm"(%a) {rank = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_4(%a: tensor<4x8xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op operand #1 (weight) has shape 4, expected 8}}
  %0 = "jic.layer_norm"(%a, %b) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_5(%a: tensor<4x8xf32>, %b: tensor<8xf32>, %c: tensor<4xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op operand #2 (bias) has shape 4, expected 8}}
  %0 = "jic.layer_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_6(%a: tensor<4x8xf32>, %b: tensor<8xf32>, %c: tensor<8xf32>, %d: tensor<8xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op expected at most a weight and a bias, got 3 operands after #0}}
  %0 = "jic.layer_norm"(%a, %b, %c, %d) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @layer_norm_7(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.layer_norm' op result has shape 8x4, expected 4x8}}
  %0 = "jic.layer_norm"(%a) {epsilon = 1.000000e-05 : f64, rank = 1 : i64} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @batch_norm_1(%a: tensor<3xf32>, %b: tensor<3xf32>, %c: tensor<3xf32>) {
  // expected-error@+1 {{'jic.batch_norm' op operand #0 (input) has rank 1, expected at least 2}}
  %0 = "jic.batch_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64} : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @batch_norm_2(%a: tensor<2x3xf32>, %b: tensor<2xf32>, %c: tensor<3xf32>) {
  // expected-error@+1 {{'jic.batch_norm' op operand #1 (mean) has shape 2, expected 3}}
  %0 = "jic.batch_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64} : (tensor<2x3xf32>, tensor<2xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @batch_norm_3(%a: tensor<2x3xf32>, %b: tensor<3xf32>, %c: tensor<2xf32>) {
  // expected-error@+1 {{'jic.batch_norm' op operand #2 (var) has shape 2, expected 3}}
  %0 = "jic.batch_norm"(%a, %b, %c) {epsilon = 1.000000e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @batch_norm_4(%a: tensor<2x3xf32>, %b: tensor<3xf32>, %c: tensor<3xf32>, %d: tensor<2xf32>) {
  // expected-error@+1 {{'jic.batch_norm' op operand #3 (weight) has shape 2, expected 3}}
  %0 = "jic.batch_norm"(%a, %b, %c, %d) {epsilon = 1.000000e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @batch_norm_5(%a: tensor<2x3xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'jic.batch_norm' op expected at least 3 operands, got 2}}
  %0 = "jic.batch_norm"(%a, %b) {epsilon = 1.000000e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @group_norm_1(%a: tensor<2x6x4xf32>) {
  // expected-error@+1 {{'jic.group_norm' op attribute 'groups' is 4, expected a divisor of the channels of tensor<2x6x4xf32>}}
  %0 = "jic.group_norm"(%a) {epsilon = 1.000000e-05 : f64, groups = 4 : i64} : (tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  return
}

// -----

func.func @group_norm_2(%a: tensor<2x6x4xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'jic.group_norm' op operand #1 (weight) has shape 3, expected 6}}
  %0 = "jic.group_norm"(%a, %b) {epsilon = 1.000000e-05 : f64, groups = 3 : i64} : (tensor<2x6x4xf32>, tensor<3xf32>) -> tensor<2x6x4xf32>
  return
}

// -----

func.func @attention_1(%a: tensor<8xf32>, %b: tensor<8xf32>, %c: tensor<8xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #0 (query) has rank 1, expected at least 2}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @attention_2(%a: tensor<2x4x8xf32>, %b: tensor<2x5x7xf32>, %c: tensor<2x5x6xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #1 (key) has shape 2x5x7, expected 2x5x8}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x7xf32>, tensor<2x5x6xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_3(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x3x6xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #2 (value) has shape 2x3x6, expected 2x5x6}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x3x6xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_4(%a: tensor<2x4x8xf32>, %b: tensor<8xf32>, %c: tensor<2x3x6xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #1 (key) has rank 1, expected 3}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<8xf32>, tensor<2x3x6xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_5(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>) {
  // expected-error@+1 {{'jic.attention' op result has shape 2x4x8, expected 2x4x6}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>) -> tensor<2x4x8xf32>
  return
}

// -----

func.func @attention_6(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>, %d: tensor<2x4x4xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #3 (mask) has shape 2x4x4, expected 2x4x5}}
  %0 = "jic.attention"(%a, %b, %c, %d) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>, tensor<2x4x4xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_7(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>, %d: tensor<2x4x5xf32>, %e: tensor<2x4x5xf32>) {
  // expected-error@+1 {{'jic.attention' op expected at most 1 mask, got 2}}
  %0 = "jic.attention"(%a, %b, %c, %d, %e) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>, tensor<2x4x5xf32>, tensor<2x4x5xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_8(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf64>, %c: tensor<2x5x6xf32>) {
  // expected-error@+1 {{'jic.attention' op operand #1 (key) has element type f64, expected f32}}
  %0 = "jic.attention"(%a, %b, %c) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf64>, tensor<2x5x6xf32>) -> tensor<2x4x6xf32>
  return
}

// -----

func.func @attention_9(%a: tensor<2x4x8xf32>, %b: tensor<2x5x8xf32>, %c: tensor<2x5x6xf32>, %d: tensor<2x4x5xi64>) {
  // expected-error@+1 {{'jic.attention' op operand #3 (mask) has element type i64, expected f32 or i1}}
  %0 = "jic.attention"(%a, %b, %c, %d) {causal = false, scale = 1.250000e-01 : f64} : (tensor<2x4x8xf32>, tensor<2x5x8xf32>, tensor<2x5x6xf32>, tensor<2x4x5xi64>) -> tensor<2x4x6xf32>
  return
}
