"""Trains a network: python train.py --profile wdsr-a-32 --scale 2"""

import sys

from wdsr_tf.commands.train import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "train.py"))
