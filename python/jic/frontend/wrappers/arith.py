"""No classes for the ops of `arith` either: kernels are built from plain operations, and the classes take 4 ms."""
