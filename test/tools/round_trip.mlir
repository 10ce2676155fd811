// RUN: jic-opt %s | jic-opt | filecheck %s
// RUN: jic-opt %s --emit-bytecode | jic-opt | filecheck %s
// RUN: jic-opt %s --mlir-print-op-generic | jic-opt | filecheck %s
// RUN: jic-opt %s --emit-bytecode -o %t.bc
// RUN: jic-opt %t.bc | filecheck %s

// CHECK-LABEL: func.func @f
// CHECK-SAME: (%[[A:.*]]: tensor<4xf32> {jic.name = "x"})
func.func @f(%a: tensor<4xf32> {jic.name = "x"}) -> tensor<4xf32> {
  // CHECK: %[[S:.*]] = "jic.add"(%[[A]], %[[A]]) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %0 = "jic.add"(%a, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: return %[[S]]
  return %0 : tensor<4xf32>
}

// CHECK: func.func @g
func.func @g() { return }
