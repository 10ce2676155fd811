"""Where MLIR looks first for the Python classes of an op's dialect (see `torch.py`)."""

from torch_mlir._mlir_libs import _mlir

# Before `torch_mlir.dialects`, and once.
if __name__ not in _mlir.globals.dialect_search_modules:
    _mlir.globals.dialect_search_modules = [__name__, *_mlir.globals.dialect_search_modules]
