"""The bundled models: NAME.keras and the same as NAME.onnx, each with its card, NAME.json and NAME.md.

wdsr_pytorch.py runs them in PyTorch, once `wdsr-tf convert weights` has written them for it.

`release/train.py` trains and writes them; training-pictures.csv lists the images that they were trained on.
routes.json says which of them to run at each scale, as `release/routes.py` measured.
"""

import importlib.resources
from pathlib import Path

FOLDER = Path(str(importlib.resources.files(__name__)))
ROUTES = FOLDER / "routes.json"


def named(name: str) -> Path | None:
    """Returns the bundled checkpoint of that name, such as "wdsr-a-8-x2"; None if there is none, or there is a file."""
    bundled = {path.stem: path for path in FOLDER.glob("*.keras")}
    return None if Path(name).exists() else bundled.get(name)
