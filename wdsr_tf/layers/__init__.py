"""Layers that Keras doesn't have, or that its backends get wrong."""

from wdsr_tf.layers.batch_normalization import TorchBatchNormalization
from wdsr_tf.layers.convolutions import BranchedConv2D, GroupedConv2D, WeightNormConv2D
from wdsr_tf.layers.elementwise import Channels, ClipThrough, ContrastPooling2D, LeakyReLU
from wdsr_tf.layers.padding import CropToMatch, InferencePad, PadToMultiple
from wdsr_tf.layers.resampling import BicubicShrink, BilinearUpSampling2D, PixelShuffle, PixelUnshuffle, pixel_shuffle
from wdsr_tf.layers.spectral_norm import SpectralNormConv2D

__all__ = [
    "BicubicShrink",
    "BilinearUpSampling2D",
    "BranchedConv2D",
    "Channels",
    "ClipThrough",
    "ContrastPooling2D",
    "CropToMatch",
    "GroupedConv2D",
    "InferencePad",
    "LeakyReLU",
    "PadToMultiple",
    "PixelShuffle",
    "PixelUnshuffle",
    "SpectralNormConv2D",
    "TorchBatchNormalization",
    "WeightNormConv2D",
    "pixel_shuffle",
]
