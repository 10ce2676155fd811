// RUN: jic-opt %s --jic-lower-to-vulkan | filecheck %s

// A module a kernel, equal kernels once; a task is a block, whose threads meet at barriers.

// CHECK: gpu.module @k0_exp {
// CHECK: gpu.func @k0_exp(%[[IN:.*]]: memref<100xf32, #spirv.storage_class<StorageBuffer>> {llvm.noalias}, %[[OUT:.*]]: memref<100xf32, #spirv.storage_class<StorageBuffer>> {llvm.noalias}) kernel
// CHECK-SAME: workgroup_size = [128, 1, 1]
// CHECK: memref.load %[[IN]]
// CHECK: memref.store %{{.*}}, %[[OUT]]
// CHECK: gpu.module @k1_reduce {
// CHECK: memref.alloc() : memref<128xf32, #spirv.storage_class<Workgroup>>
// CHECK: gpu.barrier
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
