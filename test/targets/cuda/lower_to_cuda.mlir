// RUN: jic-opt %s --jic-lower-to-cuda | filecheck %s

// A module a kernel, equal kernels once; a thread loads 16 bytes at a time, and a row of 100 is a warp's.

// CHECK: gpu.module @k0_exp {
// CHECK: gpu.func @k0_exp(%[[IN:.*]]: memref<100xf32, #gpu.address_space<global>> {llvm.noalias}, %[[OUT:.*]]: memref<100xf32, #gpu.address_space<global>> {llvm.noalias}) kernel
// CHECK: vector.load %[[IN]][{{.*}}] {alignment = 16 : i64} {{.*}} vector<4xf32>
// CHECK: vector.store %{{.*}}, %[[OUT]]
// CHECK: gpu.module @k1_reduce {
// CHECK: gpu.shuffle xor
// CHECK-NOT: gpu.module
// CHECK: func.func @main(%[[X:.*]]: memref<100xf32>, %[[RESULT:.*]]: memref<1xf32>, %[[WS:.*]]: memref<{{.*}}xi8>)
// CHECK: %[[A:.*]] = memref.view %[[WS]]
// CHECK: "jic.launch"(%[[X]], %[[A]]) {{.*}}kernel = @k0_exp
// CHECK: "jic.launch"(%[[A]], %[[B:.*]]) {{.*}}kernel = @k0_exp
// CHECK: "jic.launch"(%[[B]], %[[RESULT]]) {{.*}}kernel = @k1_reduce
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
