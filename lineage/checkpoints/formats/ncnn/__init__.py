"""ncnn: which numbers each kind of layer has, and where they lie in the file of numbers."""
