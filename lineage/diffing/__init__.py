"""Two checkpoints side by side, tensor by tensor; and a checkpoint's hash."""
