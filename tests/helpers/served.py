"""A command of the project run many times in one process: what a fresh one costs is mostly the import of its libraries.

`Served("train.py")` starts a process that runs train.py for each call, with the flags as new, just as the file's last
line would: through `app.run`. A call returns its exit code and what it printed, errors and tracebacks included.
"""

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import traceback
from types import SimpleNamespace

from tests.conftest import REPOSITORY


class Served:
    """`served(*words)` runs the command; the result has the attributes `returncode`, `stdout` and `stderr`.

    `first` is a program that the process runs before, and `environment` holds variables for it.
    """

    def __init__(self, script, first="", environment=None):
        start = f"{first}\nfrom tests.helpers import served; served.serve({script!r})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            cwd=REPOSITORY,
            env=os.environ | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words):
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the process died of {words}, exit code {self.process.wait()}"
        return SimpleNamespace(**json.loads(answer))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(script):
    """Runs `script` for every line of stdin, a JSON list of words; answers each with a JSON line on stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print on their own is no answer
    spec = importlib.util.spec_from_file_location(script, REPOSITORY / script)
    module = sys.modules[script] = importlib.util.module_from_spec(spec)  # its flags are found by this name
    spec.loader.exec_module(module)
    for line in sys.stdin:
        print(json.dumps(_run(module, [script, *json.loads(line)])), file=answers, flush=True)


def _run(module, argv):
    from absl import app

    from wdsr_tf.commands import flags as cli

    sys.argv = argv
    cli.FLAGS.unparse_flags()
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app.run(cli.guarded(module.main), argv=argv, flags_parser=cli.parse)
        except SystemExit as end:  # a text is printed, as Python does at its own end
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        except Exception:
            traceback.print_exc()
            code = 1
    return {"returncode": code, "stdout": out.getvalue(), "stderr": err.getvalue()}
