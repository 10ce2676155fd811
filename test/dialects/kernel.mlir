// RUN: jic-opt %s | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s

// Kernels of every kind, and a launch.

// CHECK-LABEL: func.func @fused(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_reduction(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_reduction(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "reduction"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_contraction(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_contraction(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "contraction"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_window(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_window(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "window"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_indexing(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_indexing(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "indexing"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_concat(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_concat(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "concat"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_scan(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_scan(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "scan"} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @fused_recurrence(
// CHECK: "jic.fused"(%{{.*}}, %{{.*}})
func.func @fused_recurrence(%a: tensor<4xf32>, %b: tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %0:2 = "jic.fused"(%a, %b)({
  ^bb0(%x: tensor<4xf32>, %y: tensor<5xf32>):
    "jic.yield"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> ()
  }) {kind = "recurrence", row_dims = array<i64: 0, -1>, rows = 4 : i64} : (tensor<4xf32>, tensor<5xf32>) -> (tensor<4xf32>, tensor<5xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: func.func @launch(
// CHECK: "jic.launch"(%{{.*}}, %{{.*}}, %{{.*}}) {cost = 100 : i64, inputs = 2 : i64, kernel = @k0, scratch = 0 : i64, tasks = 4 : i64} : (memref<4xf32>, memref<5xi64>, memref<4xf32>) -> ()
func.func @launch(%a: memref<4xf32>, %b: memref<5xi64>, %c: memref<4xf32>) {
  "jic.launch"(%a, %b, %c) {cost = 100 : i64, inputs = 2 : i64, kernel = @k0, scratch = 0 : i64, tasks = 4 : i64} : (memref<4xf32>, memref<5xi64>, memref<4xf32>) -> ()
  return
}
