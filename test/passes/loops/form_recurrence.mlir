// RUN: jic-opt %s --jic-form-recurrence | filecheck %s

// A cell whose rows are independent; the constant is copied in, the outputs are stacked.
// CHECK-LABEL: func.func @cell
// CHECK: %[[R:.*]] = "jic.fused"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) ({
// CHECK: ^bb0(%{{.*}}: tensor<8x16xf32>, %{{.*}}: tensor<8x10x16xf32>, %{{.*}}: tensor<8x10x16xf32>, %{{.*}}: tensor<16x16xf32>):
// CHECK: "jic.constant"
// CHECK: %[[L:.*]]:2 = "jic.loop"
// CHECK: "jic.matmul"{{.*}} {row_dim = 0 : i64, transpose_lhs = false, transpose_rhs = true, weight = 1 : i64}
// CHECK: "jic.dynamic_update"{{.*}}row_dim = 0 : i64
// CHECK: row_dims = array<i64: -1, 0, 0>
// CHECK: "jic.yield"(%[[L]]#0, %[[L]]#1)
// CHECK: kind = "recurrence", row_dims = array<i64: 0, 0, 0, -1>, rows = 8 : i64
func.func @cell(%x: tensor<8x10x16xf32>, %h0: tensor<8x16xf32>, %w: tensor<16x16xf32>, %o: tensor<8x10x16xf32>) -> (tensor<8x16xf32>, tensor<8x10x16xf32>) {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r:2 = "jic.loop"(%n, %h0, %o) ({
  ^bb0(%i: tensor<i64>, %h: tensor<8x16xf32>, %b: tensor<8x10x16xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 1 : i64} : (tensor<8x10x16xf32>, tensor<i64>) -> tensor<8x1x16xf32>
    %1 = "jic.reshape"(%0) : (tensor<8x1x16xf32>) -> tensor<8x16xf32>
    %2 = "jic.matmul"(%h, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    %3 = "jic.add"(%1, %2) : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
    %4 = "jic.tanh"(%3) : (tensor<8x16xf32>) -> tensor<8x16xf32>
    %5 = "jic.reshape"(%4) : (tensor<8x16xf32>) -> tensor<8x1x16xf32>
    %6 = "jic.dynamic_update"(%b, %5, %i) {dim = 1 : i64} : (tensor<8x10x16xf32>, tensor<8x1x16xf32>, tensor<i64>) -> tensor<8x10x16xf32>
    "jic.yield"(%4, %6) : (tensor<8x16xf32>, tensor<8x10x16xf32>) -> ()
  }) : (tensor<i64>, tensor<8x16xf32>, tensor<8x10x16xf32>) -> (tensor<8x16xf32>, tensor<8x10x16xf32>)
  return %r#0, %r#1 : tensor<8x16xf32>, tensor<8x10x16xf32>
}

// Elementwise, with a carried scalar and a trip count that is known at run time only; the unused result is not yielded.
// CHECK-LABEL: func.func @elementwise
// CHECK: "jic.fused"
// CHECK: kind = "recurrence"
// CHECK-SAME: -> tensor<100xf32>
func.func @elementwise(%n: tensor<i64>, %y: tensor<100xf32>, %s: tensor<f32>) -> tensor<100xf32> {
  %r:2 = "jic.loop"(%n, %y, %s) ({
  ^bb0(%i: tensor<i64>, %a: tensor<100xf32>, %t: tensor<f32>):
    %0 = "jic.broadcast"(%t) {dims = array<i64>} : (tensor<f32>) -> tensor<100xf32>
    %1 = "jic.mul"(%a, %0) : (tensor<100xf32>, tensor<100xf32>) -> tensor<100xf32>
    %2 = "jic.add"(%t, %t) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    "jic.yield"(%1, %2) : (tensor<100xf32>, tensor<f32>) -> ()
  }) : (tensor<i64>, tensor<100xf32>, tensor<f32>) -> (tensor<100xf32>, tensor<f32>)
  return %r#0 : tensor<100xf32>
}

// One row: no dim runs through, one thread does all steps.
// CHECK-LABEL: func.func @vector
// CHECK: kind = "recurrence"
func.func @vector(%n: tensor<i64>, %h: tensor<1x16xf32>, %w: tensor<16x16xf32>) -> tensor<1x16xf32> {
  %r = "jic.loop"(%n, %h) ({
  ^bb0(%i: tensor<i64>, %a: tensor<1x16xf32>):
    %0 = "jic.matmul"(%a, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<1x16xf32>, tensor<16x16xf32>) -> tensor<1x16xf32>
    "jic.yield"(%0) : (tensor<1x16xf32>) -> ()
  }) : (tensor<i64>, tensor<1x16xf32>) -> tensor<1x16xf32>
  return %r : tensor<1x16xf32>
}

// Every position reads its neighbour.
// CHECK-LABEL: func.func @stencil
// CHECK-NOT: "jic.fused"
func.func @stencil(%n: tensor<i64>, %y: tensor<100xf32>) -> tensor<100xf32> {
  %r = "jic.loop"(%n, %y) ({
  ^bb0(%i: tensor<i64>, %a: tensor<100xf32>):
    %0 = "jic.slice"(%a) {offsets = array<i64: 1>, strides = array<i64: 1>} : (tensor<100xf32>) -> tensor<99xf32>
    %1 = "jic.pad"(%0) {low = array<i64: 0>, high = array<i64: 1>, value = 0.0 : f32} : (tensor<99xf32>) -> tensor<100xf32>
    "jic.yield"(%1) : (tensor<100xf32>) -> ()
  }) : (tensor<i64>, tensor<100xf32>) -> tensor<100xf32>
  return %r : tensor<100xf32>
}

// The weight changes in the loop.
// CHECK-LABEL: func.func @power
// CHECK-NOT: "jic.fused"
func.func @power(%n: tensor<i64>, %y: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %r = "jic.loop"(%n, %y) ({
  ^bb0(%i: tensor<i64>, %a: tensor<16x16xf32>):
    %0 = "jic.matmul"(%a, %a) {transpose_lhs = false, transpose_rhs = false} : (tensor<16x16xf32>, tensor<16x16xf32>) -> tensor<16x16xf32>
    "jic.yield"(%0) : (tensor<16x16xf32>) -> ()
  }) : (tensor<i64>, tensor<16x16xf32>) -> tensor<16x16xf32>
  return %r : tensor<16x16xf32>
}

// A reduction over the rows.
// CHECK-LABEL: func.func @centred
// CHECK-NOT: "jic.fused"
func.func @centred(%n: tensor<i64>, %y: tensor<100xf32>) -> tensor<100xf32> {
  %r = "jic.loop"(%n, %y) ({
  ^bb0(%i: tensor<i64>, %a: tensor<100xf32>):
    %0 = "jic.reduce"(%a) {kind = "max", dims = array<i64: 0>} : (tensor<100xf32>) -> tensor<f32>
    %1 = "jic.broadcast"(%0) {dims = array<i64>} : (tensor<f32>) -> tensor<100xf32>
    %2 = "jic.sub"(%a, %1) : (tensor<100xf32>, tensor<100xf32>) -> tensor<100xf32>
    "jic.yield"(%2) : (tensor<100xf32>) -> ()
  }) : (tensor<i64>, tensor<100xf32>) -> tensor<100xf32>
  return %r : tensor<100xf32>
}

// A bias repeated for all rows and a transposed weight outside the loop go into the kernel.
// CHECK-LABEL: func.func @views
// CHECK: "jic.fused"(%{{.*}}) ({
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<8x16xf32>, %{{.*}}: tensor<16x16xf32>, %{{.*}}: tensor<16xf32>):
// CHECK-DAG: "jic.transpose"
// CHECK-DAG: "jic.broadcast"
// CHECK: "jic.loop"
func.func @views(%n: tensor<i64>, %h: tensor<8x16xf32>, %w: tensor<16x16xf32>, %b: tensor<16xf32>) -> tensor<8x16xf32> {
  %t = "jic.transpose"(%w) {permutation = array<i64: 1, 0>} : (tensor<16x16xf32>) -> tensor<16x16xf32>
  %c = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<16xf32>) -> tensor<8x16xf32>
  %r = "jic.loop"(%n, %h) ({
  ^bb0(%i: tensor<i64>, %a: tensor<8x16xf32>):
    %0 = "jic.matmul"(%a, %t) {transpose_lhs = false, transpose_rhs = false} : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    %1 = "jic.add"(%0, %c) : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x16xf32>
    "jic.yield"(%1) : (tensor<8x16xf32>) -> ()
  }) : (tensor<i64>, tensor<8x16xf32>) -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// Products of each row's own matrices (attention over a memory that does not change).
// CHECK-LABEL: func.func @own_matrices
// CHECK: kind = "recurrence"
func.func @own_matrices(%n: tensor<i64>, %q: tensor<4x16x1xf32>, %m: tensor<4x16x16xf32>) -> tensor<4x16x1xf32> {
  %r = "jic.loop"(%n, %q) ({
  ^bb0(%i: tensor<i64>, %a: tensor<4x16x1xf32>):
    %0 = "jic.matmul"(%m, %a) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x16x16xf32>, tensor<4x16x1xf32>) -> tensor<4x16x1xf32>
    "jic.yield"(%0) : (tensor<4x16x1xf32>) -> ()
  }) : (tensor<i64>, tensor<4x16x1xf32>) -> tensor<4x16x1xf32>
  return %r : tensor<4x16x1xf32>
}

// The buffer of earlier outputs is read again.
// CHECK-LABEL: func.func @reads_its_outputs
// CHECK-NOT: "jic.fused"
func.func @reads_its_outputs(%n: tensor<i64>, %o: tensor<8x10xf32>) -> tensor<8x10xf32> {
  %r = "jic.loop"(%n, %o) ({
  ^bb0(%i: tensor<i64>, %b: tensor<8x10xf32>):
    %0 = "jic.reduce"(%b) {kind = "sum", dims = array<i64: 1>} : (tensor<8x10xf32>) -> tensor<8xf32>
    %1 = "jic.reshape"(%0) : (tensor<8xf32>) -> tensor<8x1xf32>
    %2 = "jic.dynamic_update"(%b, %1, %i) {dim = 1 : i64} : (tensor<8x10xf32>, tensor<8x1xf32>, tensor<i64>) -> tensor<8x10xf32>
    "jic.yield"(%2) : (tensor<8x10xf32>) -> ()
  }) : (tensor<i64>, tensor<8x10xf32>) -> tensor<8x10xf32>
  return %r : tensor<8x10xf32>
}

// Weights that no cache holds are left to the kernels that block for it.
// CHECK-LABEL: func.func @big_weights
// CHECK-NOT: "jic.fused"
func.func @big_weights(%n: tensor<i64>, %h: tensor<64x4096xf32>, %w: tensor<4096x4096xf32>) -> tensor<64x4096xf32> {
  %r = "jic.loop"(%n, %h) ({
  ^bb0(%i: tensor<i64>, %a: tensor<64x4096xf32>):
    %0 = "jic.matmul"(%a, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<64x4096xf32>, tensor<4096x4096xf32>) -> tensor<64x4096xf32>
    "jic.yield"(%0) : (tensor<64x4096xf32>) -> ()
  }) : (tensor<i64>, tensor<64x4096xf32>) -> tensor<64x4096xf32>
  return %r : tensor<64x4096xf32>
}
