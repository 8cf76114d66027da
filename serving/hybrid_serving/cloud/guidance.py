"""The guidance scale as an array, for networks that were distilled to take it as an input (LCM).

Such a network needs one row a step where classifier-free guidance needs two. Pure.
"""

import numpy as np
from numpy.typing import NDArray


def embedded_scale(scale: float, *, width: int) -> NDArray[np.float32]:
    """Sinusoidal embedding of `scale` - 1 (Meng et al. 2023; frequencies as in diffusers' LCM pipeline)."""
    half = width // 2
    frequencies = np.exp(np.arange(half) * -(np.log(10000.0) / (half - 1)))
    angles = (scale - 1.0) * 1000.0 * frequencies
    embedding = np.zeros(width, dtype=np.float32)
    embedding[:half], embedding[half : 2 * half] = np.sin(angles), np.cos(angles)
    return embedding
