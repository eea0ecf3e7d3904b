"""From networks and images to queries."""
