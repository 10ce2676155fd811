// RUN: jic-opt %s --pass-pipeline="builtin.module(jic-cse,func.func(canonicalize{max-iterations=2},cse))" --dump-pass-pipeline 2>&1 | filecheck %s
// RUN: jic-opt %s --jic-cse --canonicalize=max-iterations=2 --dump-pass-pipeline 2>&1 | filecheck %s --check-prefix=FLAGS
// RUN: jic-opt %s --jic-fuse-elementwise=max-size=3 --dump-pass-pipeline 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not jic-opt %s --pass-pipeline="builtin.module(cse,jic-cs)" 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not jic-opt %s --canonicalise 2>&1 | filecheck %s --check-prefix=NEAR
// RUN: not jic-opt %s --jic-fuse-elementwise=max-sise=3 2>&1 | filecheck %s --check-prefix=BADOPTION
// RUN: not jic-opt %s --pass-pipeline="jic-fuse-elementwise{max-size=three}" 2>&1 | filecheck %s --check-prefix=BADVALUE
// RUN: not jic-opt %s --pass-pipeline="cse{speed=9}" 2>&1 | filecheck %s --check-prefix=UPSTREAM
// RUN: not jic-opt %s --pass-pipeline="builtin.module(cse" 2>&1 | filecheck %s --check-prefix=UNCLOSED
// RUN: not jic-opt %s --pass-pipeline="builtin.module(cse))" 2>&1 | filecheck %s --check-prefix=EXTRA
// RUN: not jic-opt %s --pass-pipeline="cse,,cse" 2>&1 | filecheck %s --check-prefix=COMMA
// RUN: not jic-opt %s --pass-pipeline="func.func(jic-cse)" 2>&1 | filecheck %s --check-prefix=NESTED
// RUN: not jic-opt %s --pass-pipeline="cse" --cse 2>&1 | filecheck %s --check-prefix=BOTH

// CHECK: Pass Manager with 2 passes:
// CHECK-NEXT: builtin.module(jic-cse,func.func(canonicalize{max-iterations=2},cse))
// CHECK: func.func @f
// CHECK: %[[S:.*]] = "jic.exp"
// CHECK-NEXT: return %[[S]], %[[S]]
// FLAGS: builtin.module(jic-cse,canonicalize{max-iterations=2})
// OPTION: builtin.module(jic-fuse-elementwise{max-size=3 {{.*}}})
// UNKNOWN: <pass-pipeline>:1:20: error: unknown pass 'jic-cs'
// UNKNOWN: hint: did you mean 'jic-cse'?
// NEAR: error: unknown pass 'canonicalise'
// NEAR: hint: did you mean 'canonicalize'?
// BADOPTION: error: pass 'jic-fuse-elementwise' has no option 'max-sise'
// BADOPTION: hint: did you mean 'max-size'?
// BADVALUE: <pass-pipeline>:1:22: error: option 'max-size' of pass 'jic-fuse-elementwise': expected an integer, got 'three'
// UPSTREAM: <pass-pipeline>:1:1: error: bad options of pass 'cse': no such option speed
// UNCLOSED: <pass-pipeline>:1:15: error: unclosed '('
// EXTRA: <pass-pipeline>:1:20: error: unexpected ')' after the pipeline
// COMMA: <pass-pipeline>:1:5: error: expected a pass name, got ','
// NESTED: <pass-pipeline>:1:11: error: pass 'jic-cse' runs on builtin.module and cannot be nested
// BOTH: error: --pass-pipeline and the pass option --cse exclude each other
// UNKNOWN-NOT: Traceback

func.func @f(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
