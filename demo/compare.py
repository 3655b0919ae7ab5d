"""Bicubic enlargement and a network's side by side: python demo/compare.py -i demo/harbour.png -m MODEL"""

import sys
from pathlib import Path

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the script's own folder would come first

from wdsr_tf.commands import flags as cli

FLAGS = flags.FLAGS
flags.DEFINE_string("picture", "demo/harbour.png", "The picture to enlarge.", short_name="i")
flags.DEFINE_string("model", None, "A checkpoint.", short_name="m", required=True)
flags.DEFINE_string("outfile", "docs/demo.png", "What to write.", short_name="o")
flags.DEFINE_list("window", "0,90,170,110", "Left, top, width and height of what is shown, in LR pixels.")


def main(_):
    from wdsr_tf import checkpoint, images
    from wdsr_tf.images.resize import imresize

    cli.load_keras()
    from wdsr_tf.inference.strips import upscale

    lr = images.read(FLAGS.picture)
    model = checkpoint.load(FLAGS.model)
    left, top, width, height = (int(number) * model.scale for number in FLAGS.window)
    halves = [imresize(lr, model.scale), images.to_uint8(upscale(model, lr))]
    shown = [half[top : top + height, left : left + width] for half in halves]
    gap = np.full((height, 8, 3), 255, "uint8")
    images.write(FLAGS.outfile, np.concatenate([shown[0], gap, shown[1]], axis=1))


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
