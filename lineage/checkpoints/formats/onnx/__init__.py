"""ONNX: where weights lie in a graph and those inside it, and how they become numbers."""
