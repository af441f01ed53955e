"""Points of one program in training: epoch by epoch, each stopping on its own."""
