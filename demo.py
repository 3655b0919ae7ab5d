"""Upscales images: python demo.py -i demo -o out"""

import sys

from wdsr_tf.commands.upscale import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "demo.py"))
