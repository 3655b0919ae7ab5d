"""Runs commands in this process, with the exit code and the output of a new one."""

from types import SimpleNamespace


def runner(main, capsys):
    """Returns a function that calls `main` with its arguments as a list of words, and returns exit code and output."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        output = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=output.out, stderr=output.err)

    return run
