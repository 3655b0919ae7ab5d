"""Runs `demo.py` in this process, with networks that take no time."""

import sys

import numpy as np

from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint
from wdsr_tf.commands.upscale import COMMAND
from wdsr_tf.models import create_model

RGB = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")
SCRIPT = [sys.executable, str(REPOSITORY / "demo.py")]


def tiny(path, scale=2, **hyperparameters):
    model = create_model("wdsr-a", scale, **{"num_filters": 4, "num_res_blocks": 1} | hyperparameters)
    checkpoint.save(model, path)
    return model


def upscale(*words):
    return COMMAND.main(list(map(str, words)), "demo.py")


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".wdsr-tf")
