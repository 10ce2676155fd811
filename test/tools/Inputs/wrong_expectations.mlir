// The test is ../diagnostics.mlir.
func.func @unexpected(%a: tensor<4xf32>) {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @missing() {
  // expected-error@+1 {{no such message}}
  return
}

// -----

func.func @severity(%a: tensor<4xf32>) {
  // expected-error@+2 {{has shape 5}}
  // expected-warning@+1 {{'jic.exp' op result has shape 5, expected 4}}
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32>
  return
}
