"""Emitting upstream MLIR: operations, index arithmetic that folds, and LLVM's text."""
