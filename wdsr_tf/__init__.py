"""Single-image super-resolution: train, rank and use the published networks in Keras 3."""

__version__ = "0.1.0"
