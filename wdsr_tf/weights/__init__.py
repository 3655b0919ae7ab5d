"""The trained networks that ship with the package, each NAME.keras with its card, NAME.json and NAME.md.

`release/train.py` trains and writes them; training-pictures.csv lists what they saw.
"""

import importlib.resources
from pathlib import Path

FOLDER = Path(str(importlib.resources.files(__name__)))
