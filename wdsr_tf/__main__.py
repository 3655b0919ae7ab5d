"""`python -m wdsr_tf VERB` is `wdsr-tf VERB`."""

import sys

from wdsr_tf.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
