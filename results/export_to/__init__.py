"""Exports points of a run to other tools: TensorBoard and MLflow."""
