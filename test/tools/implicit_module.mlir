// RUN: jic-opt %s --split-input-file --mlir-print-debuginfo --mlir-print-local-scope | filecheck %s
// RUN: jic-opt %S/Inputs/one_func.mlir | filecheck %s --check-prefix=WITH
// RUN: jic-opt %S/Inputs/one_func.mlir --no-implicit-module | filecheck %s --check-prefix=WITHOUT
// RUN: jic-opt %S/Inputs/unregistered.mlir --allow-unregistered-dialect | filecheck %s --check-prefix=ALLOWED
// RUN: not jic-opt %S/Inputs/unregistered.mlir 2>&1 | filecheck %s --check-prefix=REFUSED
// RUN: jic-opt --show-dialects | filecheck %s --check-prefix=DIALECTS

// WITH: module
// WITHOUT-NOT: module
// WITHOUT: func.func @one
// ALLOWED: "unknown.op"
// REFUSED: unregistered.mlir:1:13: error: {{.*}}unregistered dialect
// DIALECTS: Available Dialects: {{.*}}arith, {{.*}}jic, {{.*}}linalg, {{.*}}torch

// Several ops at the top level keep the file's name and their lines.
// CHECK: func.func @first() {
// CHECK-NEXT: return loc("{{.*}}implicit_module.mlir":20:3)
// CHECK: loc("{{.*}}implicit_module.mlir":19:1)
func.func @first() {
  return
}
// CHECK: func.func @second
// CHECK: loc("{{.*}}implicit_module.mlir":24:1)
func.func @second() { return }

// -----

// Aliases before the ops.
#map = affine_map<(d0) -> (d0)>
// CHECK: func.func @third
// CHECK: loc("{{.*}}implicit_module.mlir":32:1)
func.func @third() attributes {map = #map} { return }
func.func @fourth() { return }

// -----

// Aliases between ops.
func.func @fifth() { return }
#again = affine_map<(d0) -> (d0)>
// CHECK: func.func @sixth() attributes {map = affine_map<(d0) -> (d0)>}
func.func @sixth() attributes {map = #again} { return }

// -----

// The torch dialect is there when the input mentions it.
// CHECK: torch.constant.int 3
%int3 = torch.constant.int 3
