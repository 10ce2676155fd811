// RUN: jic-opt %s --jic-parallelize-loops | filecheck %s

// A map into a buffer, and the sum of its rows.
// CHECK-LABEL: func.func @map_and_sum
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>
// CHECK-NOT: "jic.loop"
// CHECK: %[[E:.*]] = "jic.exp"(%{{.*}}) : (tensor<4x1x3xf32>) -> tensor<4x1x3xf32>
// CHECK: %[[R:.*]] = "jic.reshape"(%[[E]]) : (tensor<4x1x3xf32>) -> tensor<4x3xf32>
// CHECK: %[[S:.*]] = "jic.reduce"(%{{.*}}) {dims = array<i64: 0>, kind = "sum"} : (tensor<4x3xf32>) -> tensor<3xf32>
// CHECK: %[[A:.*]] = "jic.add"(%{{.*}}, %[[S]])
// CHECK: return %[[R]], %[[A]]
func.func @map_and_sum(%x: tensor<4x3xf32>, %buffer: tensor<4x3xf32>, %zero: tensor<3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>) {
  %n = "jic.constant"() {value = dense<4> : tensor<i64>} : () -> tensor<i64>
  %r:2 = "jic.loop"(%n, %buffer, %zero) ({
  ^bb0(%i: tensor<i64>, %b: tensor<4x3xf32>, %sum: tensor<3xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<i64>) -> tensor<1x3xf32>
    %1 = "jic.exp"(%0) : (tensor<1x3xf32>) -> tensor<1x3xf32>
    %2 = "jic.dynamic_update"(%b, %1, %i) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i64>) -> tensor<4x3xf32>
    %3 = "jic.reshape"(%1) : (tensor<1x3xf32>) -> tensor<3xf32>
    %4 = "jic.add"(%sum, %3) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    "jic.yield"(%2, %4) : (tensor<4x3xf32>, tensor<3xf32>) -> ()
  }) : (tensor<i64>, tensor<4x3xf32>, tensor<3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>)
  return %r#0, %r#1 : tensor<4x3xf32>, tensor<3xf32>
}

// Running sums that are stored: a scan.
// CHECK-LABEL: func.func @scan
// CHECK-NOT: "jic.loop"
// CHECK: %[[C:.*]] = "jic.cumulative"(%{{.*}}) {dim = 0 : i64, kind = "sum"} : (tensor<8xf32>) -> tensor<8xf32>
// CHECK: %[[A:.*]] = "jic.add"(%{{.*}}, %[[C]])
// CHECK: return
func.func @scan(%x: tensor<8xf32>, %buffer: tensor<8xf32>, %init: tensor<f32>) -> tensor<8xf32> {
  %n = "jic.constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %r:2 = "jic.loop"(%n, %buffer, %init) ({
  ^bb0(%i: tensor<i64>, %b: tensor<8xf32>, %sum: tensor<f32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<1xf32>
    %1 = "jic.reshape"(%0) : (tensor<1xf32>) -> tensor<f32>
    %2 = "jic.add"(%sum, %1) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %3 = "jic.reshape"(%2) : (tensor<f32>) -> tensor<1xf32>
    %4 = "jic.dynamic_update"(%b, %3, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<1xf32>, tensor<i64>) -> tensor<8xf32>
    "jic.yield"(%4, %2) : (tensor<8xf32>, tensor<f32>) -> ()
  }) : (tensor<i64>, tensor<8xf32>, tensor<f32>) -> (tensor<8xf32>, tensor<f32>)
  return %r#0 : tensor<8xf32>
}

// if x[i] > 0: count += 1; the select becomes part of the terms.
// CHECK-LABEL: func.func @count
// CHECK-NOT: "jic.loop"
// CHECK: %[[T:.*]] = "jic.select"({{.*}}) : (tensor<8xi1>, tensor<8xi64>, tensor<8xi64>) -> tensor<8xi64>
// CHECK: "jic.reduce"(%[[T]]) {dims = array<i64: 0>, kind = "sum"}
// CHECK: return
func.func @count(%x: tensor<8xf32>, %init: tensor<i64>) -> tensor<i64> {
  %n = "jic.constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %init) ({
  ^bb0(%i: tensor<i64>, %count: tensor<i64>):
    %zero = "jic.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
    %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<1xf32>
    %1 = "jic.reshape"(%0) : (tensor<1xf32>) -> tensor<f32>
    %2 = "jic.compare"(%1, %zero) {predicate = "gt"} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %3 = "jic.add"(%count, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %4 = "jic.select"(%2, %3, %count) : (tensor<i1>, tensor<i64>, tensor<i64>) -> tensor<i64>
    "jic.yield"(%4) : (tensor<i64>) -> ()
  }) : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %r : tensor<i64>
}

// x[i] = x[i] * 2 in place, for rows 1 to 3; row 0 stays.
// CHECK-LABEL: func.func @in_place
// CHECK-SAME: %[[X:.*]]: tensor<4x3xf32>
// CHECK-NOT: "jic.loop"
// CHECK: %[[S:.*]] = "jic.slice"(%[[X]]) {offsets = array<i64: 1, 0>, strides = array<i64: 1, 1>} : (tensor<4x3xf32>) -> tensor<3x3xf32>
// CHECK: %[[ONE:.*]] = "jic.constant"() {value = dense<1> : tensor<i64>}
// CHECK: "jic.dynamic_update"(%[[X]], %{{.*}}, %[[ONE]]) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<3x3xf32>, tensor<i64>)
func.func @in_place(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %n = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %x) ({
  ^bb0(%i: tensor<i64>, %b: tensor<4x3xf32>):
    %one = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %k = "jic.add"(%i, %one) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %0 = "jic.dynamic_slice"(%b, %k) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<i64>) -> tensor<1x3xf32>
    %1 = "jic.add"(%0, %0) : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
    %2 = "jic.dynamic_update"(%b, %1, %k) {dim = 0 : i64} : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i64>) -> tensor<4x3xf32>
    "jic.yield"(%2) : (tensor<4x3xf32>) -> ()
  }) : (tensor<i64>, tensor<4x3xf32>) -> tensor<4x3xf32>
  return %r : tensor<4x3xf32>
}

// Only what is independent leaves: the recurrence stays, the product's buffer and the value of the last iteration go.
// CHECK-LABEL: func.func @split
// CHECK: "jic.matmul"({{.*}} -> tensor<8x4xf32>
// CHECK: %[[N:.*]] = "jic.constant"() {value = dense<3> : tensor<i64>}
// CHECK: "jic.dynamic_slice"(%{{.*}}, %[[N]])
// CHECK: "jic.loop"(%{{.*}}, %{{.*}}) ({
// CHECK-NOT: "jic.matmul"
// CHECK: "jic.tanh"
// CHECK: return
func.func @split(%x: tensor<4x2x3xf32>, %w: tensor<3x4xf32>, %buffer: tensor<4x2x4xf32>, %h0: tensor<2x3xf32>) -> (tensor<4x2x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %n = "jic.constant"() {value = dense<4> : tensor<i64>} : () -> tensor<i64>
  %r:3 = "jic.loop"(%n, %buffer, %h0, %h0) ({
  ^bb0(%i: tensor<i64>, %b: tensor<4x2x4xf32>, %h: tensor<2x3xf32>, %old: tensor<2x3xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<4x2x3xf32>, tensor<i64>) -> tensor<1x2x3xf32>
    %1 = "jic.reshape"(%0) : (tensor<1x2x3xf32>) -> tensor<2x3xf32>
    %2 = "jic.matmul"(%1, %w) {transpose_lhs = false, transpose_rhs = false} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
    %3 = "jic.reshape"(%2) : (tensor<2x4xf32>) -> tensor<1x2x4xf32>
    %4 = "jic.dynamic_update"(%b, %3, %i) {dim = 0 : i64} : (tensor<4x2x4xf32>, tensor<1x2x4xf32>, tensor<i64>) -> tensor<4x2x4xf32>
    %5 = "jic.mul"(%h, %1) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
    %6 = "jic.tanh"(%5) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    "jic.yield"(%4, %6, %1) : (tensor<4x2x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> ()
  }) : (tensor<i64>, tensor<4x2x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<4x2x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
  return %r#0, %r#1, %r#2 : tensor<4x2x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// An inner recurrence over time for each sample of a batch: one loop on the whole batch.
// CHECK-LABEL: func.func @nested
// CHECK: "jic.loop"({{.*}}) ({
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<5x3xf32>):
// CHECK-NOT: "jic.loop"
// CHECK: return
func.func @nested(%x: tensor<5x7x3xf32>, %buffer: tensor<5x3xf32>, %zero: tensor<3xf32>) -> tensor<5x3xf32> {
  %n = "jic.constant"() {value = dense<5> : tensor<i64>} : () -> tensor<i64>
  %m = "jic.constant"() {value = dense<7> : tensor<i64>} : () -> tensor<i64>
  %r = "jic.loop"(%n, %buffer) ({
  ^bb0(%i: tensor<i64>, %b: tensor<5x3xf32>):
    %0 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<5x7x3xf32>, tensor<i64>) -> tensor<1x7x3xf32>
    %1 = "jic.loop"(%m, %zero) ({
    ^bb0(%t: tensor<i64>, %h: tensor<3xf32>):
      %2 = "jic.dynamic_slice"(%0, %t) {dim = 1 : i64} : (tensor<1x7x3xf32>, tensor<i64>) -> tensor<1x1x3xf32>
      %3 = "jic.reshape"(%2) : (tensor<1x1x3xf32>) -> tensor<3xf32>
      %4 = "jic.add"(%3, %h) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
      %5 = "jic.tanh"(%4) : (tensor<3xf32>) -> tensor<3xf32>
      "jic.yield"(%5) : (tensor<3xf32>) -> ()
    }) : (tensor<i64>, tensor<3xf32>) -> tensor<3xf32>
    %6 = "jic.reshape"(%1) : (tensor<3xf32>) -> tensor<1x3xf32>
    %7 = "jic.dynamic_update"(%b, %6, %i) {dim = 0 : i64} : (tensor<5x3xf32>, tensor<1x3xf32>, tensor<i64>) -> tensor<5x3xf32>
    "jic.yield"(%7) : (tensor<5x3xf32>) -> ()
  }) : (tensor<i64>, tensor<5x3xf32>) -> tensor<5x3xf32>
  return %r : tensor<5x3xf32>
}

// Not parallel: a product of floats, rows that overlap, and a row read after it was written.
// CHECK-LABEL: func.func @kept
// CHECK: "jic.loop"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) ({
func.func @kept(%x: tensor<8xf32>, %one: tensor<1xf32>, %a: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) {
  %n = "jic.constant"() {value = dense<6> : tensor<i64>} : () -> tensor<i64>
  %r:3 = "jic.loop"(%n, %one, %a, %b) ({
  ^bb0(%i: tensor<i64>, %product: tensor<1xf32>, %rows: tensor<8xf32>, %chain: tensor<8xf32>):
    %1 = "jic.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    %next = "jic.add"(%i, %1) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %2 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<1xf32>
    %3 = "jic.mul"(%product, %2) : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
    %4 = "jic.dynamic_slice"(%x, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<2xf32>
    %5 = "jic.dynamic_update"(%rows, %4, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<2xf32>, tensor<i64>) -> tensor<8xf32>
    %6 = "jic.dynamic_slice"(%chain, %i) {dim = 0 : i64} : (tensor<8xf32>, tensor<i64>) -> tensor<1xf32>
    %7 = "jic.mul"(%6, %2) : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
    %8 = "jic.dynamic_update"(%chain, %7, %next) {dim = 0 : i64} : (tensor<8xf32>, tensor<1xf32>, tensor<i64>) -> tensor<8xf32>
    "jic.yield"(%3, %5, %8) : (tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) -> ()
  }) : (tensor<i64>, tensor<1xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<1xf32>, tensor<8xf32>, tensor<8xf32>)
  return %r#0, %r#1, %r#2 : tensor<1xf32>, tensor<8xf32>, tensor<8xf32>
}
