// RUN: jic-opt %s --jic-if-to-select=max-elements=64 | filecheck %s

// From inside out.
// CHECK-LABEL: func.func @nested
// CHECK-NOT: jic.if
// CHECK: %[[E:.*]] = "jic.exp"(%arg0)
// CHECK: %[[S:.*]] = "jic.sin"(%arg0)
// CHECK: %[[D:.*]] = "jic.broadcast"(%arg2)
// CHECK: %[[I:.*]] = "jic.select"(%[[D]], %[[S]], %arg0)
// CHECK: %[[C:.*]] = "jic.broadcast"(%arg1)
// CHECK: %[[R:.*]] = "jic.select"(%[[C]], %[[E]], %[[I]])
// CHECK: return %[[R]]
func.func @nested(%x: tensor<4xf32>, %c: tensor<i1>, %d: tensor<i1>) -> tensor<4xf32> {
  %0 = "jic.if"(%c) ({
    %1 = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1) : (tensor<4xf32>) -> ()
  }, {
    %2 = "jic.if"(%d) ({
      %3 = "jic.sin"(%x) : (tensor<4xf32>) -> tensor<4xf32>
      "jic.yield"(%3) : (tensor<4xf32>) -> ()
    }, {
      "jic.yield"(%x) : (tensor<4xf32>) -> ()
    }) : (tensor<i1>) -> tensor<4xf32>
    "jic.yield"(%2) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A big tensor is updated in place whichever branch is taken; what is chosen is the slice.
// CHECK-LABEL: func.func @update
// CHECK-NOT: jic.if
// CHECK: %[[O:.*]] = "jic.dynamic_slice"(%arg0, %arg2)
// CHECK: %[[C:.*]] = "jic.broadcast"(%arg3)
// CHECK: %[[S:.*]] = "jic.select"(%[[C]], %arg1, %[[O]])
// CHECK: %[[R:.*]] = "jic.dynamic_update"(%arg0, %[[S]], %arg2)
// CHECK: return %[[R]]
func.func @update(%b: tensor<1000x4xf32>, %x: tensor<1x4xf32>, %i: tensor<i64>, %c: tensor<i1>) -> tensor<1000x4xf32> {
  %0 = "jic.if"(%c) ({
    %1 = "jic.dynamic_update"(%b, %x, %i) {dim = 0 : i64} : (tensor<1000x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<1000x4xf32>
    "jic.yield"(%1) : (tensor<1000x4xf32>) -> ()
  }, {
    "jic.yield"(%b) : (tensor<1000x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1000x4xf32>
  return %0 : tensor<1000x4xf32>
}

// Two branches that update one place choose what to store.
// CHECK-LABEL: func.func @both
// CHECK: %[[N:.*]] = "jic.neg"(%arg1)
// CHECK-NOT: jic.dynamic_slice
// CHECK: %[[S:.*]] = "jic.select"(%{{.*}}, %arg1, %[[N]])
// CHECK: "jic.dynamic_update"(%arg0, %[[S]], %arg2)
func.func @both(%b: tensor<1000x4xf32>, %x: tensor<1x4xf32>, %i: tensor<i64>, %c: tensor<i1>) -> tensor<1000x4xf32> {
  %0 = "jic.if"(%c) ({
    %1 = "jic.dynamic_update"(%b, %x, %i) {dim = 0 : i64} : (tensor<1000x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<1000x4xf32>
    "jic.yield"(%1) : (tensor<1000x4xf32>) -> ()
  }, {
    %2 = "jic.neg"(%x) : (tensor<1x4xf32>) -> tensor<1x4xf32>
    %3 = "jic.dynamic_update"(%b, %2, %i) {dim = 0 : i64} : (tensor<1000x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<1000x4xf32>
    "jic.yield"(%3) : (tensor<1000x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1000x4xf32>
  return %0 : tensor<1000x4xf32>
}

// A look-up may fail, 1000 elements are many, and a tensor that is read after an update would be copied.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-3: "jic.if"
func.func @stay(%b: tensor<1000xf32>, %x: tensor<1xf32>, %i: tensor<i64>, %c: tensor<i1>) -> (tensor<1xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1xf32>) {
  %0 = "jic.if"(%c) ({
    %k = "jic.reshape"(%i) : (tensor<i64>) -> tensor<1xi64>
    %1 = "jic.index_select"(%b, %k) {dim = 0 : i64} : (tensor<1000xf32>, tensor<1xi64>) -> tensor<1xf32>
    "jic.yield"(%1) : (tensor<1xf32>) -> ()
  }, {
    "jic.yield"(%x) : (tensor<1xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1xf32>
  %2 = "jic.if"(%c) ({
    %3 = "jic.neg"(%b) : (tensor<1000xf32>) -> tensor<1000xf32>
    "jic.yield"(%3) : (tensor<1000xf32>) -> ()
  }, {
    "jic.yield"(%b) : (tensor<1000xf32>) -> ()
  }) : (tensor<i1>) -> tensor<1000xf32>
  %4:2 = "jic.if"(%c) ({
    %5 = "jic.dynamic_update"(%b, %x, %i) {dim = 0 : i64} : (tensor<1000xf32>, tensor<1xf32>, tensor<i64>) -> tensor<1000xf32>
    %6 = "jic.slice"(%5) {offsets = array<i64: 7>, strides = array<i64: 1>} : (tensor<1000xf32>) -> tensor<1xf32>
    "jic.yield"(%5, %6) : (tensor<1000xf32>, tensor<1xf32>) -> ()
  }, {
    "jic.yield"(%b, %x) : (tensor<1000xf32>, tensor<1xf32>) -> ()
  }) : (tensor<i1>) -> (tensor<1000xf32>, tensor<1xf32>)
  return %0, %2, %4#0, %4#1 : tensor<1xf32>, tensor<1000xf32>, tensor<1000xf32>, tensor<1xf32>
}
