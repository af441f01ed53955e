"""The only place that touches private parts of Keras and TensorFlow.

errors      what is wrong: the user's model, or the engine's libraries (`raise_ours` tells them apart)
private     how a private name is listed and checked
keras       models and optimizers
kernels     what layers compute by, made faster; lifted: numbers that are tensors while a program is traced
tracing     names of functions, branches, gradients that are kept
slices      XLA's slices
devices     the memory of GPUs
xla         the environment that XLA is started with
"""
