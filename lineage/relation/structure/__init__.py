"""Which tensors belong together by what they hold: across layers, layouts, fused and resized ones."""
