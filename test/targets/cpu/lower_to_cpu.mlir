// RUN: jic-opt %s --jic-lower-to-cpu=vector-bits=512 | filecheck %s

// One function a kernel, equal kernels once; the value between them lies in the workspace.

// CHECK: func.func @k0_exp(%{{.*}}: memref<100xf32> {llvm.noalias}, %{{.*}}: memref<100xf32> {llvm.noalias}, %{{.*}}: index, %{{.*}}: index, %{{.*}}: memref<64xi8> {llvm.noalias})
// CHECK: vector.load {{.*}} vector<16xf32>
// CHECK: vector.maskedload
// CHECK: func.func @k1_reduce
// CHECK: vector.reduction <add>
// CHECK: func.func @main(%[[X:.*]]: memref<100xf32>, %[[OUT:.*]]: memref<1xf32>, %[[WS:.*]]: memref<{{.*}}xi8>)
// CHECK: %[[A:.*]] = memref.view %[[WS]]
// CHECK: "jic.launch"(%[[X]], %[[A]]) {{.*}}kernel = @k0_exp
// CHECK: "jic.launch"(%[[A]], %{{.*}}) {{.*}}kernel = @k0_exp
// CHECK: "jic.launch"(%{{.*}}, %[[OUT]]) {{.*}}kernel = @k1_reduce
// CHECK-NOT: jic.fused
func.func @main(%x: tensor<100xf32>) -> tensor<f32> {
  %0 = "jic.fused"(%x) ({
  ^bb0(%a: tensor<100xf32>):
    %1 = "jic.exp"(%a) : (tensor<100xf32>) -> tensor<100xf32>
    "jic.yield"(%1) : (tensor<100xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<100xf32>) -> tensor<100xf32>
  %2 = "jic.fused"(%0) ({
  ^bb0(%a: tensor<100xf32>):
    %1 = "jic.exp"(%a) : (tensor<100xf32>) -> tensor<100xf32>
    "jic.yield"(%1) : (tensor<100xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<100xf32>) -> tensor<100xf32>
  %3 = "jic.fused"(%2) ({
  ^bb0(%a: tensor<100xf32>):
    %1 = "jic.reduce"(%a) {kind = "sum", dims = array<i64: 0>} : (tensor<100xf32>) -> tensor<f32>
    "jic.yield"(%1) : (tensor<f32>) -> ()
  }) {kind = "reduction"} : (tensor<100xf32>) -> tensor<f32>
  return %3 : tensor<f32>
}
