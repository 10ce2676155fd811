// RUN: jic-opt %s --cse --canonicalize --mlir-print-ir-after-all 2>&1 | filecheck %s --check-prefix=ALL
// RUN: jic-opt %s --cse --canonicalize --mlir-print-ir-after-change 2>&1 | filecheck %s --check-prefix=CHANGE
// RUN: jic-opt %s --cse --canonicalize --mlir-print-ir-before=canonicalize 2>&1 | filecheck %s --check-prefix=BEFORE
// RUN: jic-opt %s --pass-pipeline="func.func(cse)" --mlir-print-ir-before-all --mlir-print-ir-after=cse 2>&1 | filecheck %s --check-prefix=NESTED
// RUN: jic-opt %s --jic-cse --canonicalize --mlir-timing -o %t 2>&1 | filecheck %s --check-prefix=TIMING
// RUN: jic-opt %s --mlir-print-debuginfo --mlir-print-local-scope | filecheck %s --check-prefix=DEBUG
// RUN: jic-opt %s --mlir-print-op-generic | filecheck %s --check-prefix=GENERIC
// RUN: jic-opt %s --mlir-elide-elementsattrs-if-larger=2 | filecheck %s --check-prefix=ELIDE

// ALL: IR Dump After cse
// ALL: IR Dump After canonicalize
// CHANGE: IR Dump After cse
// CHANGE-NOT: IR Dump After canonicalize
// BEFORE-NOT: IR Dump Before cse
// BEFORE: IR Dump Before canonicalize
// NESTED: IR Dump Before cse
// NESTED: IR Dump After cse
// TIMING: Pass execution timing report
// TIMING: jic-cse
// TIMING-NEXT: canonicalize
// TIMING-NEXT: Total
// DEBUG: "jic.exp"(%{{.*}}) {{.*}} loc("{{.*}}instrumentation.mlir":32:8)
// GENERIC: "func.func"() <{
// ELIDE: dense_resource<__elided__> : tensor<3xf32>

func.func private @declared()

func.func @f(%a: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %c = "jic.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>

  // The location of the next op is what DEBUG looks for.
  %0 = "jic.exp"(%a) : (tensor<3xf32>) -> tensor<3xf32>
  %1 = "jic.exp"(%a) : (tensor<3xf32>) -> tensor<3xf32>
  return %0, %1, %c : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
