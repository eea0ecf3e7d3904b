"""TensorFlow Lite: its FlatBuffers, and the tensors in them."""
