"""Model files: one ONNX each, with its card inside."""
