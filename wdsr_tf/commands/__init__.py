"""The command line: flags in, messages out. Nothing below this package reads a flag."""

import sys


def _report(kind, error, traceback):
    """Ctrl-C before `Command.main` has begun, or after it has ended, isn't worth a traceback either."""
    if issubclass(kind, KeyboardInterrupt):
        print("\nInterrupted.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _report
