"""The native engine: a kernel in C++ trains small dense networks, one in each lane of the processor's vectors."""
