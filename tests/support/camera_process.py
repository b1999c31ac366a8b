"""The RTSP camera as a process of its own, which can be stopped and killed."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit


class CameraProcess:
    """Plays a clip at `fps`; `taken` is as `RtspCamera.taken`. Use it in a `with` block."""

    def __init__(self, clip: Path, fps: float) -> None:
        self._clip, self._fps, self._port = clip, fps, 0
        self.taken: list[tuple[int, float]] = []

    def __enter__(self) -> "CameraProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, fps: float | None = None) -> None:
        """Begins to serve, on the same port as before, and as fast unless `fps` says otherwise."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pymafx_live.bench.rtsp_camera", self._clip,
             "--fps", str(fps or self._fps), "--port", str(self._port)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._port = urlsplit(self.url).port or 0
        threading.Thread(target=self._read, daemon=True).start()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            number, at = line.split()
            self.taken.append((int(number), float(at)))
