"""HDF5: this project's layout, and those of Keras."""
