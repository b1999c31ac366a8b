"""Shows pictures in a window."""

import subprocess
import sys

import cv2
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Frame
from pymafx_live.pipeline.outputs.drawn import Image
from pymafx_live.pipeline.stop import Stop

_TITLE = "pymafx-live"
_QUIT_KEYS = (ord("q"), 27)  # 27: Esc


class WindowSink:
    """A window; q, Esc, or closing it asks the run to end.

    Raises:
        UsageError: there is no display, or this OpenCV was built without windows.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        _check_display()
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False

    def show(self, image: Image, frame: Frame) -> None:
        """Shows the picture and looks at the keys."""
        if not self._sized:
            cv2.resizeWindow(_TITLE, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(_TITLE, image)
        key = cv2.waitKey(1) & 0xFF
        if key in _QUIT_KEYS or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._stop.request()

    def close(self) -> None:
        """Closes the window."""
        cv2.destroyAllWindows()


def _check_display() -> None:
    """Opens a window in a process of its own: without a display, Qt ends the process that tries."""
    trial = f"import cv2; cv2.namedWindow({_TITLE!r}); cv2.destroyAllWindows()"
    if subprocess.run([sys.executable, "-c", trial], capture_output=True).returncode != 0:
        raise UsageError(
            "--show cannot open a window: there is no display here, or this OpenCV is a headless build; "
            "use --save out.mp4 instead"
        )
