// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of view ops reject.

func.func @reshape_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reshape' op result has 33 elements (33), expected 32 (4x8)}}
  %0 = "jic.reshape"(%a) : (tensor<4x8xf32>) -> tensor<33xf32>
  return
}

// -----

func.func @reshape_2(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.reshape' op result has element type f64, expected f32}}
  %0 = "jic.reshape"(%a) : (tensor<4xf32>) -> tensor<4xf64>
  return
}

// -----

func.func @reshape_3(%a: f32) {
  // expected-error@+1 {{'jic.reshape' op operand #0 must be a ranked tensor, got f32}}
  %0 = "jic.reshape"(%a) : (f32) -> tensor<1xf32>
  return
}

// -----

func.func @transpose_1(%a: tensor<2x3xf32>) {
  // expected-error@+1 {{'jic.transpose' op requires attribute 'permutation'}}
  %0 = "jic.transpose"(%a) : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @transpose_2(%a: tensor<2x3xf32>) {
  // expected-error@+1 {{'jic.transpose' op attribute 'permutation' must be array<i64: …>, got [1, 0]}}
  %0 = "jic.transpose"(%a) {permutation = [1, 0]} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @transpose_3(%a: tensor<2x3xf32>) {
  // expected-error@+1 {{'jic.transpose' op attribute 'permutation' has 1 entries, expected 2}}
  %0 = "jic.transpose"(%a) {permutation = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @transpose_4(%a: tensor<2x3xf32>) {
  // expected-error@+1 {{'jic.transpose' op attribute 'permutation' is [1, 1], expected a permutation of 0..1}}
  %0 = "jic.transpose"(%a) {permutation = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @transpose_5(%a: tensor<2x3xf32>) {
  // expected-error@+1 {{'jic.transpose' op result has shape 2x3, expected 3x2}}
  %0 = "jic.transpose"(%a) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_1(%a: tensor<8xf32>) {
  // expected-error@+1 {{'jic.broadcast' op attribute 'dims' has 2 entries, expected 1}}
  %0 = "jic.broadcast"(%a) {dims = array<i64: 0, 1>} : (tensor<8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @broadcast_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.broadcast' op attribute 'dims' is [1, 0], expected increasing result dims below 2}}
  %0 = "jic.broadcast"(%a) {dims = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @broadcast_3(%a: tensor<8xf32>) {
  // expected-error@+1 {{'jic.broadcast' op attribute 'dims' is [2], expected increasing result dims below 2}}
  %0 = "jic.broadcast"(%a) {dims = array<i64: 2>} : (tensor<8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @broadcast_4(%a: tensor<7xf32>) {
  // expected-error@+1 {{'jic.broadcast' op operand #0 dim 0 has size 7, expected 1 or 8 to broadcast to result dim 1}}
  %0 = "jic.broadcast"(%a) {dims = array<i64: 1>} : (tensor<7xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @slice_1(%a: tensor<10xf32>) {
  // expected-error@+1 {{'jic.slice' op requires attribute 'strides'}}
  %0 = "jic.slice"(%a) {offsets = array<i64: 0>} : (tensor<10xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @slice_2(%a: tensor<10xf32>) {
  // expected-error@+1 {{'jic.slice' op result has rank 2, expected 1}}
  %0 = "jic.slice"(%a) {offsets = array<i64: 0>, strides = array<i64: 1>} : (tensor<10xf32>) -> tensor<5x1xf32>
  return
}

// -----

func.func @slice_3(%a: tensor<10xf32>) {
  // expected-error@+1 {{'jic.slice' op dim 0 has offset 0 and stride 0, expected offset >= 0 and stride >= 1}}
  %0 = "jic.slice"(%a) {offsets = array<i64: 0>, strides = array<i64: 0>} : (tensor<10xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @slice_4(%a: tensor<10xf32>) {
  // expected-error@+1 {{'jic.slice' op dim 0 has offset -1 and stride 1, expected offset >= 0 and stride >= 1}}
  %0 = "jic.slice"(%a) {offsets = array<i64: -1>, strides = array<i64: 1>} : (tensor<10xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @slice_5(%a: tensor<10xf32>) {
  // expected-error@+1 {{'jic.slice' op dim 0 reads index 10, expected below the operand's size 10}}
  %0 = "jic.slice"(%a) {offsets = array<i64: 2>, strides = array<i64: 2>} : (tensor<10xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @reverse_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reverse' op attribute 'dims' names dim 2, expected below 2}}
  %0 = "jic.reverse"(%a) {dims = array<i64: 2>} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @reverse_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reverse' op result has shape 8x4, expected 4x8}}
  %0 = "jic.reverse"(%a) {dims = array<i64: 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @pad_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.pad' op low [0] and high [-1] must not be negative (slice instead)}}
  %0 = "jic.pad"(%a) {low = array<i64: 0>, high = array<i64: -1>, value = 0.0 : f32} : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @pad_2(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.pad' op attribute 'value' is 0 : i64, expected a scalar of type f32}}
  %0 = "jic.pad"(%a) {low = array<i64: 0>, high = array<i64: 1>, value = 0 : i64} : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @pad_3(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.pad' op attribute 'value' is "zero", expected a scalar of type f32}}
  %0 = "jic.pad"(%a) {low = array<i64: 0>, high = array<i64: 1>, value = "zero"} : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @pad_4(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.pad' op result has shape 6, expected 5}}
  %0 = "jic.pad"(%a) {low = array<i64: 0>, high = array<i64: 1>, value = 0.0 : f32} : (tensor<4xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @concat_1() {
  // expected-error@+1 {{'jic.concat' op expected at least 1 operand, got 0}}
  %0 = "jic.concat"() {dim = 0 : i64} : () -> tensor<4xf32>
  return
}

// -----

func.func @concat_2(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.concat' op attribute 'dim' is 1, expected 0 <= dim < 1}}
  %0 = "jic.concat"(%a) {dim = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @concat_3(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  // expected-error@+1 {{'jic.concat' op operand #1 has element type f64, expected f32}}
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<4xf32>, tensor<4xf64>) -> tensor<8xf32>
  return
}

// -----

func.func @concat_4(%a: tensor<4xf32>, %b: tensor<4x1xf32>) {
  // expected-error@+1 {{'jic.concat' op operand #1 has rank 2, expected 1}}
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<4xf32>, tensor<4x1xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @concat_5(%a: tensor<4x8xf32>, %b: tensor<4x7xf32>) {
  // expected-error@+1 {{'jic.concat' op operand #1 has shape 4x7, expected 4x8}}
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<4x8xf32>, tensor<4x7xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @concat_6(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{'jic.concat' op operands have 7 elements along dim 0, expected the result's 8}}
  %0 = "jic.concat"(%a, %b) {dim = 0 : i64} : (tensor<4xf32>, tensor<3xf32>) -> tensor<8xf32>
  return
}
