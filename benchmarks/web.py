"""Speed of the browser page compared with ONNX Runtime: make web && python -m benchmarks.web"""

import functools
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

NATIVE, PAGE = "ONNX Runtime", "page"


def define(flags):
    flags.string("image", "demo/harbour.png", "Image to upscale.", short="i")
    flags.string("model", "wdsr-a-8-x2", "One of the page's models.", short="m")
    flags.string("checkpoints", "wdsr_tf/weights", "Folder of checkpoints that the page was built from.")
    flags.choice(
        "page_engine", "processor", ["processor", "one-thread", "graphics"], "What runs the model in the page."
    )
    flags.integer("rounds", 7, "Rounds that count, after one that doesn't.", minimum=1)


def run(flags, _words):
    from wdsr_tf import Upscaler

    measuring.protocol(f"{flags.model}, {flags.image}, file to PNG, {flags.rounds} rounds in turn after one more.")
    upscaler = Upscaler(Path(flags.checkpoints) / f"{flags.model}.keras", engine="onnx", precision="float32")
    words = flags.image, flags.model, flags.page_engine
    with tempfile.TemporaryDirectory() as folder, node("web/test/speed.mjs", *words) as browser:
        print(f"The page runs on {browser.stdout.readline().strip()}")
        contestants = {
            NATIVE: lambda: upscaler.upscale_file(flags.image, Path(folder) / "sr.png"),
            PAGE: functools.partial(ask, browser, "again"),
        }
        seconds = measuring.interleaved(contestants, flags.rounds)
        browser.stdin.close()
    for name, rounds in seconds.items():
        print(f"{name}: {', '.join(f'{each:.2f}' for each in rounds)} s")
    median, low, high = measuring.ratios(seconds, NATIVE)[PAGE]
    print(f"The page has {median:.0%} ({low:.0%} to {high:.0%}) of native speed.")


def node(script, *words):
    """A script in Node.js that answers each line that it is sent with one, when it has done what the line says."""
    command = ["node", script, *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def ask(script, line):
    """Sends a line, and waits for the answer."""
    script.stdin.write(f"{line}\n")
    if not script.stdout.readline():
        raise InputError("The browser ended; its messages are above.")


COMMAND = Command(
    "web",
    "Compares the browser page with native ONNX Runtime.",
    define,
    run,
    description=(
        "The project's bar: WebAssembly with threads has at least 30 % of the speed of native ONNX Runtime. Both read "
        "the file, run the model and make a PNG; opening the model and a first round aren't counted."
    ),
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.web"))
