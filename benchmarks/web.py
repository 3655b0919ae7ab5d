"""How fast the page is beside `demo.py --engine onnx`: one picture, one network, in turn.

make web && python -m benchmarks.web

The bar of this project: WebAssembly with threads reaches 30 % of native ONNX Runtime's speed. Both read the file, run
the network and make a PNG; opening the network and a first round for warming up are not counted.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli
from wdsr_tf.inference.upscaler import Upscaler

FLAGS = flags.FLAGS
flags.DEFINE_string("picture", "demo/harbour.png", "The picture.")
flags.DEFINE_string("network", "wdsr-a-8-x2", "Which of the page's networks.")
flags.DEFINE_string("checkpoints", "wdsr_tf/weights", "The folder of checkpoints that the page was made from.")
flags.DEFINE_string("page_engine", "processor", "processor, one-thread or graphics.")
flags.DEFINE_integer("rounds", 7, "How often each.", lower_bound=1)


def main(_):
    timing.protocol(f"{FLAGS.network}, {FLAGS.picture}, file to PNG, {FLAGS.rounds} rounds in turn")
    checkpoint = Path(FLAGS.checkpoints) / f"{FLAGS.network}.keras"
    upscaler = Upscaler(checkpoint, engine="onnx")
    with tempfile.TemporaryDirectory() as folder, page() as browser:
        print(f"the page: {browser.stdout.readline().strip()}")
        contestants = {
            "demo.py --engine onnx": lambda: upscaler.upscale_file(Path(FLAGS.picture), Path(folder) / "sr.png"),
            "page": lambda: upscale_in(browser),
        }
        seconds = timing.interleaved(contestants, FLAGS.rounds)
        browser.stdin.close()
    for name, rounds in seconds.items():
        print(f"{name}: {', '.join(f'{each:.2f}' for each in rounds)} s")
    median, low, high = timing.ratios(seconds, "demo.py --engine onnx")["page"]
    print(f"the page reaches {median:.0%} ({low:.0%} to {high:.0%}) of demo.py's speed")


def page():
    """The page in Chromium: enlarges the picture once for every line that it is sent."""
    words = ["node", "web/test/speed.mjs", FLAGS.picture, FLAGS.network, FLAGS.page_engine]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def upscale_in(browser):
    browser.stdin.write("again\n")
    if not browser.stdout.readline():
        sys.exit("the page ended; what it said stands above")


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
