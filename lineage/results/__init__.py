"""From scores to numbers and words; no torch, no drawing."""
