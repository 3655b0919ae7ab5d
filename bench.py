"""Ranks models by PSNR: python bench.py -i output/models"""

import sys

from wdsr_tf.commands.bench import COMMAND

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "bench.py"))
