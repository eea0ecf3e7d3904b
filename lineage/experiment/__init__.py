"""From a configuration to models; no torch."""
