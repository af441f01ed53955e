"""What goes out of a run to other tools: TensorBoard, MLflow."""
