"""What is known of possible edges, beside what a pair of models shows: third models, and other possible parents."""
