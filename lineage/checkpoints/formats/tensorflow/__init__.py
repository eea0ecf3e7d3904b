"""TensorFlow: checkpoints, which SavedModels hold too."""
