"""Exports the networks that the page offers: `python web/networks.py wdsr_tf/weights web/public/networks`.

Writes NAME.onnx and its card NAME.onnx.json for each, and index.json, which lists the cards. What was exported from the
same checkpoint before is kept, and what is no longer offered is removed.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from wdsr_tf import __version__
from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError
from wdsr_tf.export import card

OFFERED = ("wdsr-a-8-x2", "wdsr-a-8-q-x2", "wdsr-b-4-x2")  # together less than 6 MB
FORMAT = "onnx"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("checkpoints", type=Path, help="the folder of the .keras files")
    arguments.add_argument("outdir", type=Path)
    paths = arguments.parse_args()
    checkpoints = [path for name in OFFERED if (path := paths.checkpoints / f"{name}.keras").exists()]
    if not checkpoints:
        sys.exit(
            f"{paths.checkpoints} has none of the networks that the page offers ({', '.join(OFFERED)}): name another "
            "folder, make NETWORKS=FOLDER web"
        )
    cards = [f"{path.stem}.{FORMAT}.json" for path in checkpoints]
    export([path for path in checkpoints if not is_current(path, paths.outdir)], paths.outdir)
    for path in paths.outdir.iterdir():
        if not path.name.startswith(tuple(f"{checkpoint.stem}.{FORMAT}" for checkpoint in checkpoints)):
            path.unlink()
    (paths.outdir / "index.json").write_text(json.dumps(cards) + "\n")
    print(f"the page offers {', '.join(path.stem for path in checkpoints)}")


def is_current(checkpoint, outdir):
    """Whether the file in `outdir` was exported from that checkpoint by this version."""
    try:
        made = card.read(outdir / f"{checkpoint.stem}.{FORMAT}.json")
    except InputError:
        return False
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    return made.get("checkpoint_sha256") == sha256 and made["versions"]["wdsr_tf"] == __version__


def export(checkpoints, outdir):
    if not checkpoints:
        return
    cli.load_keras()
    from wdsr_tf import checkpoint
    from wdsr_tf.export.export import Export, sha256

    for path in checkpoints:
        Export(checkpoint.load(path), path.stem, sha256=sha256(path)).write(FORMAT, outdir)


if __name__ == "__main__":
    main()
