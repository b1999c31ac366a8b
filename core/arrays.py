"""Array types for arithmetic that mixes the networks' float32 with float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8]
