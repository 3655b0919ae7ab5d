"""The command line: flags in, messages out. Nothing below this package reads a flag."""
