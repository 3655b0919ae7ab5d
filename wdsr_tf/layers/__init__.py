"""Layers that Keras doesn't have, or that its backends get wrong."""

from wdsr_tf.layers.batch_normalization import TorchBatchNormalization
from wdsr_tf.layers.convolutions import GroupedConv2D, WeightNormConv2D
from wdsr_tf.layers.elementwise import Channels, ClipThrough, ContrastPooling2D, LeakyReLU
from wdsr_tf.layers.padding import CropToMatch, InferencePad, PadToMultiple
from wdsr_tf.layers.reparameterized import (
    REPARAMETERIZED,
    BranchedConv2D,
    CollapsibleConv2D,
    EdgeOrientedConv2D,
    ReparameterizedConv2D,
)
from wdsr_tf.layers.resampling import BicubicShrink, BilinearUpSampling2D, PixelShuffle, PixelUnshuffle, pixel_shuffle
from wdsr_tf.layers.spectral_norm import SpectralNormConv2D

__all__ = [
    "REPARAMETERIZED",
    "BicubicShrink",
    "BilinearUpSampling2D",
    "BranchedConv2D",
    "Channels",
    "ClipThrough",
    "CollapsibleConv2D",
    "ContrastPooling2D",
    "CropToMatch",
    "EdgeOrientedConv2D",
    "GroupedConv2D",
    "InferencePad",
    "LeakyReLU",
    "PadToMultiple",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReparameterizedConv2D",
    "SpectralNormConv2D",
    "TorchBatchNormalization",
    "WeightNormConv2D",
    "pixel_shuffle",
]
