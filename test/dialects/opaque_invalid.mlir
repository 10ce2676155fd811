// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifier of jic.aten_call rejects.

func.func @aten_call_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.aten_call' op attribute 'callee' is 'sort', expected 'namespace.name.overload'}}
  %0 = "jic.aten_call"(%a) {arguments = [0 : index], callee = "sort", keywords = {}, reason = "r"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @aten_call_2(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.aten_call' op arguments name operand #1, expected below 1}}
  %0 = "jic.aten_call"(%a) {arguments = [1 : index], callee = "aten.sort.default", keywords = {}, reason = "r"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @aten_call_3(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.aten_call' op arguments name operand #2, expected below 1}}
  %0 = "jic.aten_call"(%a) {arguments = [0 : index, [2 : index]], callee = "aten.sort.default", keywords = {}, reason = "r"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @aten_call_4(%a: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.aten_call' op operand #1 stands nowhere in 'arguments' or 'keywords'}}
  %0 = "jic.aten_call"(%a, %b) {arguments = [0 : index], callee = "aten.sort.default", keywords = {}, reason = "r"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @aten_call_5(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.aten_call' op requires attribute 'reason'}}
  %0 = "jic.aten_call"(%a) {callee = "aten.abs.default", arguments = [0 : index], keywords = {}} : (tensor<4xf32>) -> tensor<4xf32>
  return
}
