"""What networks and importers know of DIV2K. Imports no Keras."""

import numpy as np

DIV2K_MEAN = 255 * np.array([0.4488, 0.4371, 0.4040])  # RGB, of the 800 training images
