// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of control flow reject.

func.func @loop_1(%a: tensor<i32>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op operand #0 (trip_count) is tensor<i32>, expected tensor<i64>}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<2xi64>) -> ()
  }) : (tensor<i32>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @loop_2(%a: tensor<1xi64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op operand #0 (trip_count) is tensor<1xi64>, expected tensor<i64>}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<2xi64>) -> ()
  }) : (tensor<1xi64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @loop_3(%a: tensor<i64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op results have types (tensor<4xf32>), expected (tensor<4xf32>, tensor<2xi64>)}}
  %0 = "jic.loop"(%a, %b, %c)({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<2xi64>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @loop_4(%a: tensor<i64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op region #0 (body) has 0 blocks, expected 1}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @loop_5(%a: tensor<i64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op region #0 (body) arguments have types (tensor<4xf32>), expected (tensor<i64>, tensor<4xf32>, tensor<2xi64>)}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @loop_6(%a: tensor<i64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  // expected-error@+1 {{'jic.loop' op values of jic.yield have types (tensor<4xf32>), expected (tensor<4xf32>, tensor<2xi64>)}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @loop_7(%a: tensor<i64>, %b: tensor<4xf32>, %c: tensor<2xi64>) {
  %p = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  // expected-error@+1 {{'jic.loop' op region #0 (body) must end with jic.yield}}
  %0:2 = "jic.loop"(%a, %b, %c)({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<2xi64>):
    "jic.condition"(%p) : (tensor<i1>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<2xi64>) -> (tensor<4xf32>, tensor<2xi64>)
  return
}

// -----

func.func @while_1(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.while' op region #0 (before) must end with jic.condition}}
  %0 = "jic.while"(%a)({
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @while_2(%a: tensor<4xf32>) {
  %p = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  // expected-error@+1 {{'jic.while' op values of jic.condition have types (tensor<4xf32>), expected (tensor<5xf32>)}}
  %0 = "jic.while"(%a)({
  ^bb0(%x: tensor<4xf32>):
    "jic.condition"(%p, %x) : (tensor<i1>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @if_1(%a: tensor<f32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.if' op operand #0 (condition) is tensor<f32>, expected tensor<i1>}}
  %0 = "jic.if"(%a)({
    "jic.yield"(%b) : (tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%b) : (tensor<4xf32>) -> ()
  }) : (tensor<f32>) -> tensor<4xf32>
  return
}

// -----

func.func @if_2(%a: tensor<i1>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.if' op values of jic.yield have types (tensor<i1>), expected (tensor<4xf32>)}}
  %0 = "jic.if"(%a)({
    "jic.yield"(%b) : (tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%a) : (tensor<i1>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return
}

// -----

func.func @if_3(%a: tensor<i1>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.if' op expected 1 operand, got 2}}
  %0 = "jic.if"(%a, %b)({
    "jic.yield"(%b) : (tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%b) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @condition(%a: tensor<4xf32>, %b: tensor<f32>) {
  %0 = "jic.while"(%a) ({
  ^bb0(%x: tensor<4xf32>):
    // expected-error@+1 {{'jic.condition' op operand #0 (condition) is tensor<f32>, expected tensor<i1>}}
    "jic.condition"(%b, %x) : (tensor<f32>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}
