"""Prepares datasets and converts weights: python convert.py -i DIV2K -o DIV2K_BIN numpy"""

import sys

from wdsr_tf.commands.convert import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "convert.py"))
