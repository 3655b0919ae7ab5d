"""From a small picture to a large one with a trained network."""
