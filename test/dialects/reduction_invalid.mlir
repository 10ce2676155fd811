// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of reductions and scans reject.

func.func @reduce_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op requires attribute 'kind'}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @reduce_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op attribute 'kind' must be one of sum, prod, max, min, any, all, argmax, argmin; got mean}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "mean"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @reduce_3(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op attribute 'dims' is [1, 0], expected increasing dims below the operand's rank 2}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1, 0>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce_4(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op attribute 'dims' is [2], expected increasing dims below the operand's rank 2}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 2>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @reduce_5(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op result has shape 8, expected 4}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @reduce_6(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op result has element type f64, expected f32}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4xf64>
  return
}

// -----

func.func @reduce_7(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op operand #0 has element type f32, expected i1 for kind any}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "any"} : (tensor<4x8xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @reduce_8(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op attribute 'dims' has 2 entries, expected 1 for kind argmax}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 0, 1>, kind = "argmax"} : (tensor<4x8xf32>) -> tensor<i64>
  return
}

// -----

func.func @reduce_9(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.reduce' op result has element type f32, expected i64}}
  %0 = "jic.reduce"(%a) {dims = array<i64: 1>, kind = "argmin"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @cumulative_1(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.cumulative' op attribute 'kind' must be one of sum, prod, max, min; got any}}
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "any"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @cumulative_2(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.cumulative' op attribute 'dim' is 2, expected 0 <= dim < 2}}
  %0 = "jic.cumulative"(%a) {dim = 2 : i64, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @cumulative_3(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.cumulative' op result has shape 4, expected 4x8}}
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @cumulative_4(%a: tensor<4x8xf32>) {
  // expected-error@+1 {{'jic.cumulative' op result has element type i64, expected f32}}
  %0 = "jic.cumulative"(%a) {dim = 1 : i64, kind = "sum"} : (tensor<4x8xf32>) -> tensor<4x8xi64>
  return
}
