"""Frames where the networks run: on the processor, or brought once to a GPU, and what is cut out of them there."""

from pymafx_live.engines.imaging.host import HostPicture
from pymafx_live.engines.imaging.picture import Picture, unit_rgb
from pymafx_live.engines.imaging.pictures import Pictures

__all__ = ["HostPicture", "Picture", "Pictures", "unit_rgb"]
