"""Reads the recipes and shapes of the checkpoints named on standard input, and prints a result for each.

Tests run it as a process, which exits if reading a file runs or writes anything; see `read_weights`. It forks itself
instead of starting Python for each file, which takes a hundredth of the time.
"""

import json
import resource
import sys

import h5py  # noqa: F401  (before the fork)

from tests.helpers.read_weights import ADDRESS_SPACE, Forked, peak, watch
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import checkpoint_shapes, confined  # noqa: F401  (before the fork)


def main():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    confined.start = Forked
    sys.addaudithook(watch)
    for line in sys.stdin:
        path = line.rstrip("\n")
        print(json.dumps({"file": path}), flush=True)
        try:
            checkpoint.read_config(path)
            result = {"arrays": len(checkpoint._shapes(path))}
        except InputError as error:
            result = {"error": str(error)}
        print(json.dumps(result), flush=True)
    print(json.dumps({"peak": peak()}))


if __name__ == "__main__":
    main()
