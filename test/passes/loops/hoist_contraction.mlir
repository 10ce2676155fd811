// RUN: jic-opt %s --jic-hoist-contraction | filecheck %s

// A recurrent cell on x[:, t]: the input's product and its bias are computed for all steps at once.
// CHECK-LABEL: func.func @rnn
// CHECK-SAME: %[[X:.*]]: tensor<2x10x3xf32>, %[[W:.*]]: tensor<4x3xf32>
// CHECK: %[[R:.*]] = "jic.reshape"(%{{.*}}) : (tensor<2x10x3xf32>) -> tensor<20x3xf32>
// CHECK-NEXT: %[[P:.*]] = "jic.matmul"(%[[R]], %[[W]]) {{.*}} -> tensor<20x4xf32>
// CHECK-NEXT: %[[Q:.*]] = "jic.reshape"(%[[P]]) : (tensor<20x4xf32>) -> tensor<2x10x4xf32>
// CHECK: %[[B:.*]] = "jic.add"(%[[Q]], %{{.*}}) : (tensor<2x10x4xf32>, tensor<2x10x4xf32>)
// CHECK: "jic.loop"
// CHECK-NEXT: ^bb0(%[[I:.*]]: tensor<i64>, %[[H:.*]]: tensor<2x4xf32>):
// CHECK: %[[S:.*]] = "jic.dynamic_slice"(%[[B]], %[[I]]) {dim = 1 : i64}
// CHECK-NEXT: "jic.reshape"(%[[S]]) : (tensor<2x1x4xf32>) -> tensor<2x4xf32>
// CHECK: "jic.matmul"(%[[H]]
// CHECK-NOT: "jic.matmul"
// CHECK: return
func.func @rnn(%x: tensor<2x10x3xf32>, %w: tensor<4x3xf32>, %b: tensor<4xf32>, %u: tensor<4x4xf32>, %h0: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<2x4xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 1 : i64} : (tensor<2x10x3xf32>, tensor<i64>) -> tensor<2x1x3xf32>
    %1 = "jic.reshape"(%0) : (tensor<2x1x3xf32>) -> tensor<2x3xf32>
    %2 = "jic.matmul"(%1, %w) {transpose_lhs = false, transpose_rhs = true} : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
    %3 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4xf32>
    %4 = "jic.add"(%2, %3) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %5 = "jic.matmul"(%h, %u) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
    %6 = "jic.add"(%4, %5) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    %7 = "jic.tanh"(%6) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%7) : (tensor<2x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %r : tensor<2x4xf32>
}

// A trip count from outside: the product of all rows, sliced at the same position n - 1 - i.
// CHECK-LABEL: func.func @dynamic
// CHECK: %[[P:.*]] = "jic.matmul"({{.*}} -> tensor<10x4xf32>
// CHECK: "jic.loop"
// CHECK: %[[K:.*]] = "jic.sub"
// CHECK: "jic.dynamic_slice"(%{{.*}}, %[[K]])
// CHECK-NOT: "jic.matmul"
// CHECK: return
func.func @dynamic(%n: tensor<i64>, %x: tensor<10x3xf32>, %w: tensor<3x4xf32>, %h0: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<1x4xf32>):
    %last = "jic.constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
    %k = "jic.sub"(%last, %i) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %0 = "jic.dynamic_slice"(%x, %k) {dim = 0 : i64} : (tensor<10x3xf32>, tensor<i64>) -> tensor<1x3xf32>
    %1 = "jic.matmul"(%0, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<1x3xf32>, tensor<3x4xf32>) -> tensor<1x4xf32>
    %2 = "jic.add"(%1, %h) : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
    %3 = "jic.sigmoid"(%2) : (tensor<1x4xf32>) -> tensor<1x4xf32>
    "jic.yield"(%3) : (tensor<1x4xf32>) -> ()
  }) : (tensor<i64>, tensor<1x4xf32>) -> tensor<1x4xf32>
  return %r : tensor<1x4xf32>
}

// cat([x[t], h], 1) @ w is split, and the part of x leaves the loop.
// CHECK-LABEL: func.func @concat
// CHECK-SAME: %[[X:.*]]: tensor<10x2x3xf32>, %[[W:.*]]: tensor<7x4xf32>
// CHECK: %[[A:.*]] = "jic.slice"(%[[W]]) {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : (tensor<7x4xf32>) -> tensor<3x4xf32>
// CHECK: "jic.matmul"(%{{.*}}, %[[A]]) {{.*}} -> tensor<20x4xf32>
// CHECK: "jic.loop"
// CHECK-NOT: "jic.concat"
// CHECK: %[[C:.*]] = "jic.slice"(%[[W]]) {offsets = array<i64: 3, 0>, strides = array<i64: 1, 1>} : (tensor<7x4xf32>) -> tensor<4x4xf32>
// CHECK: "jic.matmul"(%{{.*}}, %[[C]]) {{.*}} -> tensor<2x4xf32>
// CHECK-NOT: "jic.matmul"
// CHECK: return
func.func @concat(%x: tensor<10x2x3xf32>, %w: tensor<7x4xf32>, %h0: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<2x4xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<10x2x3xf32>, tensor<i64>) -> tensor<1x2x3xf32>
    %1 = "jic.reshape"(%0) : (tensor<1x2x3xf32>) -> tensor<2x3xf32>
    %2 = "jic.concat"(%1, %h) {dim = 1 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x7xf32>
    %3 = "jic.matmul"(%2, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x7xf32>, tensor<7x4xf32>) -> tensor<2x4xf32>
    "jic.yield"(%3) : (tensor<2x4xf32>) -> ()
  }) : (tensor<i64>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %r : tensor<2x4xf32>
}

// A convolution: the iterations become images of one batch.
// CHECK-LABEL: func.func @conv
// CHECK: "jic.conv"({{.*}} -> tensor<15x4x6x6xf32>
// CHECK: "jic.loop"
// CHECK-NOT: "jic.conv"
// CHECK: return
func.func @conv(%x: tensor<5x3x2x6x6xf32>, %w: tensor<4x2x3x3xf32>, %h0: tensor<3x4x6x6xf32>) -> tensor<3x4x6x6xf32> {
  %n = "jic.constant"() {value = dense<5> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<3x4x6x6xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<5x3x2x6x6xf32>, tensor<i64>) -> tensor<1x3x2x6x6xf32>
    %1 = "jic.reshape"(%0) : (tensor<1x3x2x6x6xf32>) -> tensor<3x2x6x6xf32>
    %2 = "jic.conv"(%1, %w) {stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<3x2x6x6xf32>, tensor<4x2x3x3xf32>) -> tensor<3x4x6x6xf32>
    %3 = "jic.mul"(%2, %h) : (tensor<3x4x6x6xf32>, tensor<3x4x6x6xf32>) -> tensor<3x4x6x6xf32>
    "jic.yield"(%3) : (tensor<3x4x6x6xf32>) -> ()
  }) : (tensor<i64>, tensor<3x4x6x6xf32>) -> tensor<3x4x6x6xf32>
  return %r : tensor<3x4x6x6xf32>
}

// Not moved: a product of a carried value; 1000 rows that become 100 times as many columns.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: "jic.matmul"
// CHECK: "jic.loop"
// CHECK: "jic.matmul"
// CHECK: "jic.matmul"
// CHECK: return
func.func @kept(%x: tensor<10x1000x2xf32>, %w: tensor<2x200xf32>, %u: tensor<200x200xf32>, %h0: tensor<1000x200xf32>) -> tensor<1000x200xf32> {
  %n = "jic.constant"() {value = dense<10> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %h0) ({
  ^bb0(%i: tensor<i64>, %h: tensor<1000x200xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<10x1000x2xf32>, tensor<i64>) -> tensor<1x1000x2xf32>
    %1 = "jic.reshape"(%0) : (tensor<1x1000x2xf32>) -> tensor<1000x2xf32>
    %2 = "jic.matmul"(%1, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<1000x2xf32>, tensor<2x200xf32>) -> tensor<1000x200xf32>
    %3 = "jic.matmul"(%h, %u) {transpose_lhs = false, transpose_rhs = false} : (tensor<1000x200xf32>, tensor<200x200xf32>) -> tensor<1000x200xf32>
    %4 = "jic.add"(%2, %3) : (tensor<1000x200xf32>, tensor<1000x200xf32>) -> tensor<1000x200xf32>
    "jic.yield"(%4) : (tensor<1000x200xf32>) -> ()
  }) : (tensor<i64>, tensor<1000x200xf32>) -> tensor<1000x200xf32>
  return %r : tensor<1000x200xf32>
}
