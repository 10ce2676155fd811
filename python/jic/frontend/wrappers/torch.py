"""No classes for the ops of the torch dialect: the importer reads them as plain operations.

The module that torch-mlir has under this name defines a class for each of its thousand ops, which takes 0.2 s of every
first compilation. Whoever imports `torch_mlir.dialects.torch` itself still gets them.
"""
