"""Reads, converts, resizes and writes images: Pillow, tifffile and imagecodecs decode pixels."""

from wdsr_tf.images.animation import (
    Animation,
    frame_count,
    is_animated,
    open_animation,
    read_frames,
    write_animation,
    write_frames,
)
from wdsr_tf.images.content import find, kind
from wdsr_tf.images.formats import FORMATS, LOSSLESS, SUFFIXES, check_fit, fitting_depth
from wdsr_tf.images.metadata import ORIENTATION, losses, scaled
from wdsr_tf.images.picture import Picture, change_depth, rgb_to_y, to_depth, to_levels, to_uint8, without_opaque_alpha
from wdsr_tf.images.reading import MAX_PIXELS, has_alpha, page_count, page_sizes, read, read_pages, read_picture, size
from wdsr_tf.images.writing import open_pages, open_writer, write

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
    "frame_count",
    "has_alpha",
    "is_animated",
    "kind",
    "losses",
    "open_animation",
    "open_pages",
    "open_writer",
    "page_count",
    "page_sizes",
    "read",
    "read_frames",
    "read_pages",
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
    "write_frames",
]
