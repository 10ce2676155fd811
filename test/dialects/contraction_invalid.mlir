// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifier of jic.matmul rejects.

func.func @matmul_1(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op requires attribute 'transpose_rhs'}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_2(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op attribute 'transpose_lhs' must be true or false, got 1 : i64}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = 1 : i64, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_3(%a: tensor<8xf32>, %b: tensor<8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op operand #0 (lhs) has rank 1, expected the result's rank, at least 2}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<8xf32>, tensor<8x5xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @matmul_4(%a: tensor<4x8xf32>, %b: tensor<2x8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op operand #1 (rhs) has rank 3, expected the result's rank, at least 2}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<2x8x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_5(%a: tensor<3x4x8xf32>, %b: tensor<2x8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op operand #0 (lhs) batch has shape 3, expected 2}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<3x4x8xf32>, tensor<2x8x5xf32>) -> tensor<2x4x5xf32>
  return
}

// -----

func.func @matmul_6(%a: tensor<4x8xf32>, %b: tensor<8x5xf64>) {
  // expected-error@+1 {{'jic.matmul' op operand #1 (rhs) has element type f64, expected f32}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf64>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_7(%a: tensor<4x8xf32>, %b: tensor<7x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op operand #1 (rhs) contracts 7 elements, expected the lhs's 8}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<7x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_8(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op operand #1 (rhs) contracts 8 elements, expected the lhs's 4}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = true, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @matmul_9(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>) {
  // expected-error@+1 {{'jic.matmul' op result matrix has shape 5x4, expected 4x5}}
  %0 = "jic.matmul"(%a, %b) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<5x4xf32>
  return
}
