"""Curves of runs for tools that show them: TensorBoard, MLflow, Weights & Biases, trackio."""
