"""PyTorch: archives, files of before 1.6 and TorchScript, without PyTorch."""
