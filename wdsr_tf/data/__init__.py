"""Datasets on disk and the batches made of them: layout, conversion, degradation, sampling, pipeline.

The functions that make datasets can be imported from here; each is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wdsr_tf.data.cache import Report, convert_tree
    from wdsr_tf.data.jpeg import jpeg_tree
    from wdsr_tf.data.pairs import make_pairs
    from wdsr_tf.data.patches import StoreConfig, make_store

__all__ = ["Report", "StoreConfig", "convert_tree", "jpeg_tree", "make_pairs", "make_store"]

MODULES = {
    "Report": "cache",
    "StoreConfig": "patches",
    "convert_tree": "cache",
    "jpeg_tree": "jpeg",
    "make_pairs": "pairs",
    "make_store": "patches",
}


def __getattr__(name):
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)


def __dir__():
    return sorted({*globals(), *__all__})
