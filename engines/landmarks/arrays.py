"""The array types of the landmark engine: its arithmetic mixes the networks' float32 with the solver's float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]
