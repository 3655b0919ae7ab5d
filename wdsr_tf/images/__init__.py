"""Reads, converts, resizes and writes images with NumPy, Pillow and, for more than 8 bits, tifffile and imagecodecs."""

from wdsr_tf.images.animation import Animation, is_animated, read_frames, write_animation
from wdsr_tf.images.content import kind
from wdsr_tf.images.formats import FORMATS, LOSSLESS, SUFFIXES, check_fit, fitting_depth
from wdsr_tf.images.metadata import ORIENTATION, scaled
from wdsr_tf.images.picture import Picture, change_depth, rgb_to_y, to_depth, to_levels, to_uint8, without_opaque_alpha
from wdsr_tf.images.reading import MAX_PIXELS, find, has_alpha, read, read_picture, size
from wdsr_tf.images.writing import open_writer, write

__all__ = [
    "FORMATS",
    "LOSSLESS",
    "MAX_PIXELS",
    "ORIENTATION",
    "SUFFIXES",
    "Animation",
    "Picture",
    "change_depth",
    "check_fit",
    "find",
    "fitting_depth",
    "has_alpha",
    "is_animated",
    "kind",
    "open_writer",
    "read",
    "read_frames",
    "read_picture",
    "rgb_to_y",
    "scaled",
    "size",
    "to_depth",
    "to_levels",
    "to_uint8",
    "without_opaque_alpha",
    "write",
    "write_animation",
]
