// RUN: not jic-opt %s 2>&1 | filecheck %s
// RUN: not jic-opt %s --split-input-file 2>&1 | filecheck %s --check-prefix=SPLIT
// RUN: not jic-opt %t.missing 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: not jic-opt %s --mlir-timming 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not jic-opt %s --mlir-elide-elementsattrs-if-larger=many 2>&1 | filecheck %s --check-prefix=VALUE
// RUN: not jic-opt %s %s 2>&1 | filecheck %s --check-prefix=TWO
// RUN: not jic-opt %s --split-input-file --emit-bytecode 2>&1 | filecheck %s --check-prefix=BYTECODE
// RUN: not jic-opt %s -o %t.missing/output 2>&1 | filecheck %s

// CHECK: bad_input.mlir:20:34: error: expected non-function type
// CHECK-NEXT: {{.*}}func.func @bad_type
// CHECK-NEXT: ^
// MISSING: bad_input.mlir.tmp.missing:1:1: error: cannot read the input: No such file or directory
// OPTION: error: unknown option --mlir-timming
// OPTION: hint: did you mean --mlir-timing?
// VALUE: error: argument --mlir-elide-elementsattrs-if-larger: invalid int value: 'many'
// TWO: error: unexpected argument
// BYTECODE: error: --emit-bytecode writes one module, but the input has several parts

func.func @bad_type(%a: tensor<4xf>) { return }

// -----

// The parts after a bad one are still processed.
// SPLIT: bad_input.mlir:20:34: error
// SPLIT: bad_input.mlir:28:3: error: 'jic.exp' op expected 1 operand, got 0
func.func @operand() {
  "jic.exp"() : () -> ()
  return
}

// -----

// SPLIT: func.func @good
func.func @good() { return }
