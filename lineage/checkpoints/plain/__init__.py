"""The plain form of a model's weights: each weight whole, kernels as [outputs, inputs, ...], gates in one order."""
