"""Shows bicubic and a model side by side: python demo/compare.py -i demo/harbour.png"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the script's own folder would come first

from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

GAP = 8  # pixels between the two


def define(flags):
    flags.string("picture", "demo/harbour.png", "Image to upscale.", short="i")
    flags.string("model", None, "Checkpoint or weights file. Default: the bundled models.", short="m")
    flags.string("outfile", "docs/demo.png", "File to write.", short="o")
    flags.integer("scale", 2, "Upscaling factor.", short="s", minimum=1)
    flags.list("window", "0,90,170,110", "Left, top, width and height of what is shown, in LR pixels.")


def run(flags, words):
    import numpy as np

    from wdsr_tf import images
    from wdsr_tf.images.resize import imresize
    from wdsr_tf.inference.upscale import upscale

    if len(flags.window) != 4 or not all(number.isdecimal() for number in flags.window):
        raise InputError(f"--window takes four whole numbers such as 0,90,170,110, not {','.join(flags.window)!r}.")
    lr = images.read(flags.picture)
    left, top, width, height = (int(number) * flags.scale for number in flags.window)
    halves = [imresize(lr, flags.scale), upscale(lr, flags.model, scale=flags.scale)]
    shown = [half[top : top + height, left : left + width] for half in halves]
    gap = np.full((len(shown[0]), GAP, 3), 255, "uint8")
    images.write(flags.outfile, np.concatenate([shown[0], gap, shown[1]], axis=1))


COMMAND = Command("compare", "Shows bicubic and a model side by side.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "demo/compare.py"))
