"""What one trial does: the table, the builder, the stopping rules, and the training of a point."""
