"""The bundled models: NAME.keras and the same as NAME.onnx, each with its card, NAME.json and NAME.md.

`release/train.py` trains and writes them; training-pictures.csv lists the images that they were trained on.
routes.json says which of them to run at each scale, as `release/routes.py` measured.
"""

import importlib.resources
from pathlib import Path

FOLDER = Path(str(importlib.resources.files(__name__)))
ROUTES = FOLDER / "routes.json"
