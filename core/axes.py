"""Other axes than those of the level world (`core/world.py`: x right, y up, z towards the viewer)."""

import numpy as np

ROS = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""To x away from the viewer, y to its left, z up (REP 103)."""
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""To z up, by a quarter of a turn about x: who faces the viewer looks along -y, as Blender's front view has it."""
