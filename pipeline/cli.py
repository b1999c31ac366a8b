"""The command line: `pymafx-live` runs, `pymafx-live listen` prints what arrives.

Nothing heavy is imported here, so that `--help` answers at once; the flags are made from the schema.
"""

import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from pymafx_live.configs.load import ConfigError, load
from pymafx_live.configs.schema import Key, keys
from pymafx_live.pipeline.errors import LiveError, UsageError

_KEYS = {key.flag: key for key in keys() if key.flag}


def _option(key: Key) -> click.Option:
    """A flag that is None unless given, so that it overlays the configuration file only then."""
    shown = "" if key.default in (None, "", False, 0) else f" [default: {key.default}]"
    names = [key.flag, _parameter(key)] + (["-v"] if key.flag == "--verbose" else [])
    if key.kind is bool:
        return click.Option(names, is_flag=True, default=None, help=key.description)
    return click.Option(names, type=key.kind, default=None, help=key.description + shown)


def _parameter(key: Key) -> str:
    return f"{key.section}__{key.name}"


class _Program(click.Group):
    """Runs without a command, and ends with one sentence for every error."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            code = 130
        except LiveError as error:
            code = _told(str(error), error.exit_code)
        except Exception as error:
            code = _told(
                f"an error that should not happen ({type(error).__name__}: {error}): "
                "please report it with the output of the same command and -v",
                1,
            )
        sys.exit(code if isinstance(code, int) else 0)


def _told(sentence: str, code: int) -> int:
    click.echo(f"pymafx-live: {sentence}", err=True)
    return code


@click.group(
    cls=_Program,
    invoke_without_command=True,
    params=[_option(key) for key in _KEYS.values()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="YAML file; flags overlay it, see docs/configuration.md"
)
@click.version_option(package_name="pymafx-live", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, /, config: Path | None, **flags: Any) -> None:
    """A camera in, SMPL-X people out over ZeroMQ, live.

    Without a command it runs: frames from --source are detected, tracked, estimated and published.
    """
    if context.invoked_subcommand is not None:
        return
    given: dict[str, dict[str, object]] = {}
    for key in _KEYS.values():
        if (value := flags[_parameter(key)]) is not None:
            given.setdefault(key.section, {})[key.name] = value
    try:
        settings = load(config, given)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    from pymafx_live.pipeline.terminal import run_in_terminal

    try:
        run_in_terminal(settings)
    except Exception:
        if settings.run.verbose:
            traceback.print_exc()
        raise


@main.command()
@click.option("--connect", default="tcp://127.0.0.1:5555", show_default=True, help="address that is published on")
@click.option("--source", default="", help="only this source, by its name")
@click.option("--json", "as_json", is_flag=True, help="every message as a line of JSON, on standard output")
@click.option("--max-frames", type=click.IntRange(min=0), default=0, help="end after this many messages")
def listen(connect: str, source: str, as_json: bool, max_frames: int) -> None:
    """Print the people that arrive."""
    from pymafx_live.pipeline.listen import listen as listen_

    with suppress(KeyboardInterrupt):  # how listening is meant to end
        listen_(connect, source, as_json=as_json, max_frames=max_frames)
