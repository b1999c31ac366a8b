"""The errors a user can meet, each one clear sentence, and the exit codes they end a run with."""

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_ASSET = 3
EXIT_SOURCE = 4
EXIT_OUTPUT = 5
EXIT_FRAMES = 6


def first_line(error: BaseException) -> str:
    """The first line of another library's error without its full stop, to stand inside of a sentence."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


class LiveError(Exception):
    """A fault that the user can mend: the message says what, why and what to do, on one line."""

    exit_code = 1


class UsageError(LiveError):
    """A wrong flag, configuration key or value, a missing extra, or a busy port."""

    exit_code = EXIT_USAGE


class AssetError(LiveError):
    """A model, body or calibration file that is missing, damaged or of another kind."""

    exit_code = EXIT_ASSET


class NetworkError(AssetError):
    """A network that a runtime cannot build, load or run on this machine."""


class SourceError(LiveError):
    """A camera, file or stream that cannot be opened or failed for good."""

    exit_code = EXIT_SOURCE


class OutputError(LiveError):
    """An output that failed while the run went on, such as a recording on a full disk."""

    exit_code = EXIT_OUTPUT


class FramesError(LiveError):
    """A detector, tracker or engine that failed: on some frames, and the run went on; or on so many that it ended."""

    exit_code = EXIT_FRAMES
