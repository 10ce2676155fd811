// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of indexing ops reject.

func.func @index_select_1(%a: tensor<30x8xf32>, %b: tensor<5xi64>) {
  // expected-error@+1 {{'jic.index_select' op attribute 'dim' is 2, expected 0 <= dim < 2}}
  %0 = "jic.index_select"(%a, %b) {dim = 2 : i64} : (tensor<30x8xf32>, tensor<5xi64>) -> tensor<5x8xf32>
  return
}

// -----

func.func @index_select_2(%a: tensor<30x8xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.index_select' op operand #1 (indices) has element type f32, expected i32 or i64}}
  %0 = "jic.index_select"(%a, %b) {dim = 0 : i64} : (tensor<30x8xf32>, tensor<5xf32>) -> tensor<5x8xf32>
  return
}

// -----

func.func @index_select_3(%a: tensor<30x8xf32>, %b: tensor<5xi64>) {
  // expected-error@+1 {{'jic.index_select' op result has shape 8x5, expected 5x8}}
  %0 = "jic.index_select"(%a, %b) {dim = 0 : i64} : (tensor<30x8xf32>, tensor<5xi64>) -> tensor<8x5xf32>
  return
}

// -----

func.func @index_select_4(%a: tensor<30x8xf32>, %b: tensor<5xi64>) {
  // expected-error@+1 {{'jic.index_select' op result has element type f64, expected f32}}
  %0 = "jic.index_select"(%a, %b) {dim = 0 : i64} : (tensor<30x8xf32>, tensor<5xi64>) -> tensor<5x8xf64>
  return
}

// -----

func.func @gather_1(%a: tensor<4x8xf32>, %b: tensor<4x3xi16>) {
  // expected-error@+1 {{'jic.gather' op operand #1 (indices) has element type i16, expected i32 or i64}}
  %0 = "jic.gather"(%a, %b) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xi16>) -> tensor<4x3xf32>
  return
}

// -----

func.func @gather_2(%a: tensor<4x8xf32>, %b: tensor<3xi64>) {
  // expected-error@+1 {{'jic.gather' op operand #1 (indices) has rank 1, expected the input's 2}}
  %0 = "jic.gather"(%a, %b) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @gather_3(%a: tensor<4x8xf32>, %b: tensor<4x3xi64>) {
  // expected-error@+1 {{'jic.gather' op result has shape 4x8, expected 4x3}}
  %0 = "jic.gather"(%a, %b) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xi64>) -> tensor<4x8xf32>
  return
}

// -----

func.func @gather_4(%a: tensor<4x8xf32>, %b: tensor<4x3xi64>) {
  // expected-error@+1 {{'jic.gather' op result has element type i64, expected f32}}
  %0 = "jic.gather"(%a, %b) {dim = 1 : i64} : (tensor<4x8xf32>, tensor<4x3xi64>) -> tensor<4x3xi64>
  return
}

// -----

func.func @gather_5(%a: tensor<4x8xf32>, %b: tensor<4x3xi64>) {
  // expected-error@+1 {{'jic.gather' op attribute 'dim' is -1, expected 0 <= dim < 2}}
  %0 = "jic.gather"(%a, %b) {dim = -1 : i64} : (tensor<4x8xf32>, tensor<4x3xi64>) -> tensor<4x3xf32>
  return
}
