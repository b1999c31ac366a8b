"""Shows pictures in a window."""

import os
import subprocess
import sys
from functools import partial

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.arrays import Image
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Policy
from pymafx_live.core.types import FrameResult
from pymafx_live.pipeline.outputs.drawn import DrawnOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.stop import Stop

_TITLE = "pymafx-live"
_QUIT_KEYS = (ord("q"), 27)  # 27: Esc


class WindowSettings(Section):
    """The window."""

    show: bool = setting(False, "open a window with the overlay; q or Esc ends the run", "--show")


class WindowOutput(DrawnOutput):
    """A window with the newest picture."""

    Settings = WindowSettings

    @classmethod
    def open(cls, settings: WindowSettings, run: Run) -> DrawnOutput | None:
        """Opens the window, if it is wanted; each of several sources has one.

        Raises:
            UsageError: there is no display, or this OpenCV was built without windows.
        """
        if not settings.show:
            return None
        _check_display()
        return cls("--show", Policy.NEWEST, run.drawing, partial(WindowSink, run.stop), run.sources)


class WindowSink:
    """The window of a source; q, Esc, or closing it asks the run to end."""

    def __init__(self, stop: Stop, source: str) -> None:
        self._stop = stop
        self._title = f"{_TITLE}: {source}" if source else _TITLE
        self._is_open = False

    def show(self, image: Image, result: FrameResult) -> None:
        """Shows the picture and looks at the keys. The window opens here, because it belongs to one thread."""
        import cv2

        if not self._is_open:
            # Qt has much to say of fonts, and of its thread when the process ends.
            os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._is_open = True
        cv2.imshow(self._title, image)
        key = cv2.waitKey(1) & 0xFF
        if key in _QUIT_KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._stop.request()

    def close(self) -> None:
        """Closes the window."""
        import cv2

        if self._is_open:
            cv2.destroyWindow(self._title)


def _check_display() -> None:
    """Opens a window in a process of its own: without a display, Qt ends the process that tries."""
    trial = f"import cv2; cv2.namedWindow({_TITLE!r}); cv2.destroyAllWindows()"
    if subprocess.run([sys.executable, "-c", trial], capture_output=True).returncode != 0:
        raise UsageError(
            "--show cannot open a window: there is no display here, or this OpenCV is a headless build; "
            "use --save out.mp4 instead"
        )
