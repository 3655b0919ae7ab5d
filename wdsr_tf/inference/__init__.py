"""From a small image to a large one with a trained model."""
