// RUN: jic-opt %s --load %S/Inputs/user_pass.py --count-ops | filecheck %s
// RUN: jic-opt %s --load %S/Inputs/user_pass.py --count-ops=prefix=func. | filecheck %s --check-prefix=OPTION
// RUN: jic-opt %s --load %S/Inputs/user_pass.py --pass-pipeline="builtin.module(cse,count-ops{prefix=jic.})" | filecheck %s --check-prefix=PIPELINE
// RUN: jic-opt --load %S/Inputs/user_pass.py --list-passes | filecheck %s --check-prefix=LIST
// RUN: not jic-opt %s --load %S/Inputs/user_pass.py --refuse 2>&1 | filecheck %s --check-prefix=REFUSE
// RUN: not jic-opt %s --load %S/Inputs/user_pass.py --stumble 2>&1 | filecheck %s --check-prefix=STUMBLE
// RUN: not jic-opt %s --load %S/Inputs/user_pass.py --break-shapes 2>&1 | filecheck %s --check-prefix=BREAK
// RUN: jic-opt %s --load %S/Inputs/user_pass.py --break-shapes --verify-each=false --mlir-print-op-generic | filecheck %s --check-prefix=UNVERIFIED
// RUN: not jic-opt %s --load %S/Inputs/syntax_error.py 2>&1 | filecheck %s --check-prefix=SYNTAX
// RUN: not jic-opt %s --load %S/Inputs/raises.py 2>&1 | filecheck %s --check-prefix=RAISES
// RUN: not jic-opt %s --load no_such_module 2>&1 | filecheck %s --check-prefix=MODULE
// RUN: not jic-opt %s --load no_such_file.py 2>&1 | filecheck %s --check-prefix=FILE

// CHECK: jic. 2
// OPTION: func. 2
// PIPELINE: jic. 1
// LIST: --count-ops {{.*}}Print how many ops have a name that begins with the prefix.
// LIST-NEXT: prefix=jic. {{.*}}a string
// REFUSE: load.mlir:1:1: error: pass 'refuse': nothing here pleases me
// STUMBLE: load.mlir:1:1: error: pass 'stumble' failed: KeyError: 'where is it'
// BREAK: load.mlir:{{[0-9]+}}:8: error: 'jic.exp' op result has shape scalar, expected 4
// BREAK: note: pass 'break-shapes' left invalid IR
// UNVERIFIED: "jic.exp"(%{{.*}}) : (tensor<4xf32>) -> tensor<f32>
// SYNTAX: syntax_error.py:1:{{[0-9]+}}: error: cannot load
// RAISES: raises.py:3:1: error: cannot load {{.*}}RuntimeError: not today
// MODULE: error: cannot load 'no_such_module': ModuleNotFoundError
// FILE: no_such_file.py:1:1: error: cannot load the file: no such file

func.func @f(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
