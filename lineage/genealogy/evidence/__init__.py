"""What is known of possible edges, beside what a pair of models shows: distances, and other possible parents."""
