"""What two sets of weights say of each other; tensors only, no files."""
