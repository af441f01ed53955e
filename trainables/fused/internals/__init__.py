"""The only package that uses private parts of Keras and TensorFlow.

errors      tells whether the user's model is the cause of an error, or the engine or its libraries (`raise_ours`)
private     lists and checks private names
models      parts of models and optimizers that every engine needs
keras       parts of models and optimizers that programs need
measures    the functions that a model's loss and metrics compute
areas       areas under curves, from confusion matrices
directions  whether lower or higher values of a metric are better
penalties   the penalties in a model's loss
kernels     faster versions of the operations of layers
lifted      numbers that are tensors while a program is traced
tracing     names of functions, XLA's handling of branches, registered gradients
updates     what code may assign to while a program is traced
operations  kernels of operations while models are built
slices      XLA's slices
devices     the memory of GPUs
start       the import of Keras and TensorFlow into a worker
xla         the environment variables for XLA
"""
