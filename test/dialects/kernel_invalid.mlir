// RUN: jic-opt %s --split-input-file --verify-diagnostics

// What the verifiers of kernels reject.

func.func @fused_1(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.fused' op attribute 'kind' must be one of pointwise, reduction, contraction, window, indexing, concat, scan, update, recurrence; got magic}}
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "magic"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return
}

// -----

func.func @fused_2(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.fused' op requires attribute 'kind'}}
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return
}

// -----

func.func @fused_3(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.fused' op body has 0 blocks, expected 1}}
  %0:2 = "jic.fused"(%a, %b)({
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return
}

// -----

func.func @fused_4(%a: tensor<4xf32>) {
  // expected-error@+1 {{'jic.fused' op body has arguments (tensor<4xf32>, tensor<5xf32>), expected (tensor<4xf32>)}}
  %0:2 = "jic.fused"(%a)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return
}

// -----

func.func @fused_5(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.fused' op body yields (tensor<4xf32>, tensor<5xf32>), expected (tensor<4xf32>)}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @fused_6(%a: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{'jic.fused' op body must end with jic.yield}}
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    %p = "jic.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
    "jic.condition"(%p) : (tensor<i1>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return
}

// -----

func.func @launch_1(%a: memref<4xf32>) {
  // expected-error@+1 {{'jic.launch' op attribute 'inputs' is 2, expected at most 1}}
  "jic.launch"(%a) {cost = 9 : i64, inputs = 2 : i64, kernel = @k0, scratch = 0 : i64, tasks = 4 : i64} : (memref<4xf32>) -> ()
  return
}

// -----

func.func @launch_2(%a: memref<4xf32>) {
  // expected-error@+1 {{'jic.launch' op attribute 'tasks' is -1, expected at least 0}}
  "jic.launch"(%a) {cost = 9 : i64, inputs = 1 : i64, kernel = @k0, scratch = 0 : i64, tasks = -1 : i64} : (memref<4xf32>) -> ()
  return
}

// -----

func.func @launch_3(%a: memref<4xf32>) {
  // expected-error@+1 {{'jic.launch' op attribute 'scratch' is -64, expected at least 0}}
  "jic.launch"(%a) {cost = 9 : i64, inputs = 1 : i64, kernel = @k0, scratch = -64 : i64, tasks = 4 : i64} : (memref<4xf32>) -> ()
  return
}

// -----

func.func @launch_4(%a: memref<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'jic.launch' op operand #1 must be a memref, got tensor<4xf32>}}
  "jic.launch"(%a, %b) {cost = 9 : i64, inputs = 1 : i64, kernel = @k0, scratch = 0 : i64, tasks = 4 : i64} : (memref<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @launch_5(%a: memref<4xf32>) {
  // expected-error@+1 {{'jic.launch' op requires attribute 'scratch'}}
  "jic.launch"(%a) {cost = 1 : i64, inputs = 1 : i64, kernel = @k0, tasks = 1 : i64} : (memref<4xf32>) -> ()
  return
}

// -----

// The region is isolated: it sees only its arguments.
func.func @fused_isolated(%a: tensor<4xf32>) {
  // expected-note@+1 {{required by region isolation constraints}}
  %0 = "jic.fused"(%a) ({
  ^bb0(%x: tensor<4xf32>):
    // expected-error@+1 {{'jic.add' op using value defined outside the region}}
    %1 = "jic.add"(%x, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_1(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op a kernel of kind 'recurrence' needs the attribute 'rows', of at least 1}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence"} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_2(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op jic.fused of a recurrence needs the attribute 'row_dims'}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence", rows = 4 : i64} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_3(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op attribute 'row_dims' has 1 entries, expected 2}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: 0>, rows = 4 : i64} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_4(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op argument #1 of jic.fused has 4 rows along dim 1, which 4x5 does not have}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: 0, 1>, rows = 4 : i64} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_5(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op jic.exp has 4 rows along dim 1, which 4x5 does not have}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    %1 = "jic.exp"(%y) {row_dim = 1 : i64} : (tensor<4x5xf32>) -> tensor<4x5xf32>
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: 0, 0>, rows = 4 : i64} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @recurrence_6(%a: tensor<4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{'jic.fused' op jic.exp has 'weight' = 0 : i64, expected 0 or 1, on a matmul}}
  %0 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4x5xf32>):
    %1 = "jic.exp"(%y) {weight = 0 : i64} : (tensor<4x5xf32>) -> tensor<4x5xf32>
    "jic.yield"(%x) : (tensor<4xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: 0, 0>, rows = 4 : i64} : (tensor<4xf32>, tensor<4x5xf32>) -> tensor<4xf32>
  return
}
