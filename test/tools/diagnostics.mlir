// RUN: jic-opt %s --split-input-file --verify-diagnostics
// RUN: not jic-opt %S/Inputs/wrong_expectations.mlir --split-input-file --verify-diagnostics 2>&1 | filecheck %s

// What --verify-diagnostics reports when the comments and the diagnostics differ.
// CHECK: wrong_expectations.mlir:3:8: error: unexpected error: 'jic.exp' op result has shape 5, expected 4
// CHECK: wrong_expectations.mlir:10:1: error: expected error "no such message" was not produced
// CHECK: wrong_expectations.mlir:18:1: error: expected warning "'jic.exp' op result has shape 5, expected 4" was not produced
// CHECK-NOT: error

func.func @next_line(%a: tensor<4xf32>) {
  // expected-error@+1 {{result has shape 5, expected 4}}
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @previous_line(%a: tensor<4xf32>) {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32>
  // expected-error@-1 {{'jic.exp' op result has shape 5, expected 4}}
  return
}

// -----

func.func @regular_expression(%a: tensor<4xf32>) {
  // expected-error-re@below {{'jic.exp' op result has {{[a-z]+}} 5, expected {{[0-9]}}}}
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @several(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<5xf32> // expected-note {{prior use here}}
  // expected-error@below {{use of value '%0' expects different type than prior uses}}
  return %0 : tensor<4xf32>
}

// -----

func.func @above(%a: tensor<4xf32>) {
  "jic.exp"(%a) : (tensor<4xf32>) -> ()
  // expected-error@above {{'jic.exp' op expected 1 result, got 0}}
  return
}

// -----

// expected-error@+1 {{unregistered operation 'jic.no_such_op' found in dialect ('jic')}}
"jic.no_such_op"() : () -> ()

// -----

func.func @good() { return }
