"""Exports the page's networks: `python web/networks.py wdsr_tf/weights web/public/networks`.

For each network, writes NAME.onnx and its model card NAME.onnx.json; index.json lists the cards and the methods to
choose from, each with the routes of `wdsr-tf upscale`. Up-to-date exports are kept, and files of other networks are
removed.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import wdsr_tf
from wdsr_tf import __version__, weights
from wdsr_tf.errors import InputError
from wdsr_tf.export import card
from wdsr_tf.files import sha256
from wdsr_tf.inference import routing
from wdsr_tf.system.quiet import load_keras

OFFERED = ("wdsr-a-8-x2", "wdsr-a-8-q-x2", "wdsr-b-4-x2")  # together less than 6 MB
FORMAT = "onnx"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("checkpoints", type=Path, help="Folder of the checkpoints (.keras).")
    arguments.add_argument("outdir", type=Path, help="Folder to write to.")
    paths = arguments.parse_args()
    folder = paths.checkpoints
    if folder.is_dir() and folder.samefile(weights.FOLDER):
        folder = weights.FOLDER  # by which the routes that were measured know the bundled models
    checkpoints = [path for name in OFFERED if (path := folder / f"{name}.keras").exists()]
    if not checkpoints:
        sys.exit(
            f"{paths.checkpoints} has none of the page's networks: {', '.join(OFFERED)}. "
            "Name another folder: make NETWORKS=FOLDER web"
        )
    export([path for path in checkpoints if not is_current(path, paths.outdir)], paths.outdir)
    names = [f"{path.stem}.{FORMAT}" for path in checkpoints]
    for path in paths.outdir.iterdir():
        if not path.name.startswith(tuple(names)):
            path.unlink()
    (paths.outdir / "index.json").write_text(json.dumps(index(checkpoints)) + "\n")
    print(f"The page offers {', '.join(path.stem for path in checkpoints)}")


def index(checkpoints):
    """Returns the names of the cards; and the methods, of which each has a name and its routes.

    The first is what `wdsr-tf upscale` does. The others are what it does with `--model`, for each network with which no
    route of the first begins.
    """
    models = {path.stem: routing.find_models(path) for path in checkpoints}
    best = routing.routes([model for found in models.values() for model in found])
    first = {entry["models"][0] for kind in ("clean", "jpeg") for entry in best[kind] if entry["models"]}
    methods = [{"name": "best", "routes": best}]
    methods += [{"name": name, "routes": routing.routes(found)} for name, found in models.items() if name not in first]
    return {"cards": [f"{path.stem}.{FORMAT}.json" for path in checkpoints], "methods": methods}


def is_current(checkpoint, outdir):
    """Whether this version has exported the file in `outdir` from this checkpoint."""
    try:
        exported = card.read(outdir / f"{checkpoint.stem}.{FORMAT}.json")
    except InputError:
        return False
    versions = exported.get("versions", {})
    return exported.get("checkpoint_sha256") == sha256(checkpoint) and versions.get("wdsr_tf") == __version__


def export(checkpoints, outdir):
    if not checkpoints:
        return
    load_keras()
    for path in checkpoints:
        wdsr_tf.export(path, outdir, formats=[FORMAT])


if __name__ == "__main__":
    main()
