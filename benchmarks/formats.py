"""What an older release keeps of every property of every format, as in docs/formats.md.

    git archive 69ba868 wdsr_tf | tar x -C FOLDER
    python -m benchmarks.formats FOLDER

69ba868 is the first release. Prints the rows of the table. The present state is measured by the tests.
"""

import sys
import tempfile

from tests.helpers.format_files import COLUMNS, ROWS, measured


def main():
    sys.path.insert(0, sys.argv[1])
    from wdsr_tf.inference.job import Size, Workshop

    from wdsr_tf.inference.folder import _kept_suffix

    workshop = Workshop([], Size(factor=1.0))  # reads and writes, without a model

    def upscale(source):
        target = source.with_name("result" + _kept_suffix(source, workshop.result_size))
        workshop.enlarge(source, target)
        return target, []  # it named nothing

    print("|", " | ".join(("format", *COLUMNS)), "|")
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            states = measured(row, folder, upscale)
        print("|", " | ".join((row, *(states.get(column, "-") for column in COLUMNS))), "|")


if __name__ == "__main__":
    main()
