"""The command line: `pymafx-live` runs, `listen` prints what arrives, `fleet` runs many.

Nothing heavy is imported here, so that `--help` answers at once; the flags are made from the schema.
"""

import io
import signal
import sys
import traceback
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pymafx_live.configs.load import ConfigError, load
from pymafx_live.configs.schema import Key, OutputSettings, keys, number_or_word
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.text import quiet, quiet_lines
from pymafx_live.pipeline.fleet.cli import fleet
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.stop import Interrupted, Stop

_PER_SOURCE = ("--source", "--name")
_KEYS = {key.flag: key for key in keys(run_settings()) if key.flag}


def _option(key: Key) -> click.Option:
    """A flag that is None unless given, so that it overlays the configuration file only then."""
    shown = "" if key.default in (None, "", False, 0) else f" [default: {key.default}]"
    names = [key.flag, _parameter(key)] + (["-v"] if key.flag == "--verbose" else [])
    if key.kind is bool:
        if key.default:
            names[0] += f"/--no-{key.flag.removeprefix('--')}"
        return click.Option(names, is_flag=True, default=None, help=key.description)
    kind: Any = key.kind
    metavar = None
    if key.flag in _PER_SOURCE:
        return click.Option(names, type=str, multiple=True, help=key.description + shown)
    if isinstance(kind, tuple):
        metavar = "|".join("|".join(get_args(choice)) or "N" for choice in kind)
        kind = number_or_word
    elif get_origin(kind) is Literal:
        choices = get_args(kind)
        metavar = "|".join(str(choice) for choice in choices)
        kind = click.Choice(choices) if isinstance(choices[0], str) else type(choices[0])  # the schema checks numbers
    bare: dict[str, Any] = {"is_flag": False, "flag_value": key.bare} if key.bare else {}
    return click.Option(names, type=kind, default=None, help=key.description + shown, metavar=metavar, **bare)


def _sources(uris: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """What `--source` and `--name`, each given any number of times, overlay: the n-th name is the n-th source's.

    Raises:
        UsageError: there are more names than sources.
    """
    if len(names) > max(len(uris), 1):
        raise UsageError(f"--name is given {len(names)} times and --source {len(uris)} times: name each source once")
    if len(uris) > 1:
        named = names + ("",) * (len(uris) - len(names))
        return {"sources": [{"uri": uri, "name": name} for uri, name in zip(uris, named, strict=True)]}
    one = dict(zip(("uri", "name"), (uris[:1], names[:1]), strict=True))
    given = {"source": {key: value[0] for key, value in one.items() if value}}
    return given | ({"sources": []} if uris else {})


def _keep(config: Path, output: OutputSettings) -> None:
    """Raises `UsageError` where an output would destroy the configuration that the run was started with."""
    for key in _KEYS.values():
        file = Path(str(getattr(output, key.name, ""))).expanduser() if key.section == "output" else None
        if file is not None and file.is_file() and file.samefile(config):
            raise UsageError(f"{key.flag} {file} would destroy the configuration of this run: give another {key.flag}")


def _parameter(key: Key) -> str:
    return f"{key.section}__{key.name}"


class _Program(click.Group):
    """Runs without a command, and ends with one sentence for every error."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, with a hint where a source is given bare."""
        if args and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"there is no command {args[0]!r}: a source is given as --source {args[0]}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            (_hinted(error) if isinstance(error, click.NoSuchOption) else error).show(shown := io.StringIO())
            click.echo(quiet_lines(SECRETS.hide(shown.getvalue())), err=True, nl=False)
            code = error.exit_code
        except click.Abort as error:  # which click makes of a KeyboardInterrupt
            code = 128 + (error.__cause__.number if isinstance(error.__cause__, Interrupted) else signal.SIGINT)
        except LiveError as error:
            code = _end(str(error), error.exit_code)
        except Exception as error:
            code = _end(
                f"an error that should not happen ({type(error).__name__}: {error}): "
                "please report it with the output of the same command and -v",
                1,
            )
        sys.exit(code if isinstance(code, int) else 0)


def _hinted(error: click.NoSuchOption) -> click.NoSuchOption:
    """The error; of a flag that is a key of the file it says what the flag is called, or that there is none."""
    word = error.option_name.lstrip("-").replace("-", "_")
    named = [key for key in keys(run_settings()) if key.name == word]
    if not named or error.ctx is None or error.ctx.parent is not None:
        return error
    flags = [key.flag for key in named if key.flag]
    where = f"{error.message} It is a key of the --config file only: {named[0].section}: {{{word}: ...}}."
    return click.NoSuchOption(error.option_name, error.message if flags else where, flags, error.ctx)


def _end(sentence: str, code: int) -> int:
    """Prints the one sentence that a run ends with, and returns its exit code."""
    click.echo(f"pymafx-live: {quiet(SECRETS.hide(sentence))}", err=True)
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
        if idle := [key.flag for key in _KEYS.values() if flags[_parameter(key)] not in (None, ())]:
            raise click.UsageError(f"{', '.join(idle)} means nothing to {context.invoked_subcommand}: leave it out")
        return
    given: dict[str, Any] = _sources(*(flags[_parameter(_KEYS[flag])] for flag in _PER_SOURCE))
    for key in _KEYS.values():
        if key.flag not in _PER_SOURCE and (value := flags[_parameter(key)]) is not None:
            given.setdefault(key.section, {})[key.name] = value
    try:
        settings = load(config, given, run_settings())
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if config is not None:
        _keep(config.expanduser(), settings.output)
    stop = Stop()
    try:
        with stop.on_signals():
            from pymafx_live.pipeline.terminal import run_in_terminal

            run_in_terminal(settings, stop)
            stop.ignore_signals()  # the run is over, and whoever asked for that twice is not to see it fail
    except Exception:
        if settings.run.verbose:
            click.echo(quiet_lines(SECRETS.hide(traceback.format_exc())), err=True)
        raise


main.add_command(fleet)


@main.command()
@click.option("--connect", default="tcp://127.0.0.1:5555", show_default=True, help="address that is published on")
@click.option("--source", default="", help="only this source, by its name")
@click.option("--json", "as_json", is_flag=True, help="every message as a line of JSON, on standard output")
@click.option(
    "--max-frames", type=click.IntRange(min=0), default=0, help="show this many messages, each of them, and end"
)
@click.option("--curve", default="", help="key file, where the publisher runs with --curve")
@click.option("--directory", is_flag=True, help="print which sources a fleet has instead, once; see docs/fleet.md")
def listen(connect: str, source: str, as_json: bool, max_frames: int, curve: str, directory: bool) -> None:
    """Print the people that arrive."""
    from pymafx_live.pipeline.listen import listen as listen_
    from pymafx_live.pipeline.listen import print_directory

    with suppress(KeyboardInterrupt):  # how listening is meant to end
        if directory:
            print_directory(connect, as_json=as_json, curve=curve)
            return
        listen_(connect, source, as_json=as_json, max_frames=max_frames, curve=curve)


@main.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="replace files that are there; else the next number is taken")
def convert(recording: Path, file: Path, overwrite: bool) -> None:
    """Make of RECORDING (.mcap, .jsonl) a FILE of the format that its ending names; see docs/recordings.md."""
    from pymafx_live.pipeline.convert import convert as convert_

    for made in convert_(recording.expanduser(), file.expanduser(), overwrite):
        click.echo(str(made), err=True)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default="keys")
@click.option("--client", default="client", show_default=True, help="name of the subscriber's keys")
def keygen(folder: Path, client: str) -> None:
    """Make keys in FOLDER (keys): for the publisher, unless it has some, and for a subscriber; see docs/security.md."""
    from pymafx_live.pipeline.curve import SERVER, generate

    for file in generate(folder.expanduser(), client):
        whose = "pymafx-live" if file.name == SERVER else "pymafx-live listen, on the other machine: send it in secret"
        click.echo(f"{file}: for --curve of {whose}", err=True)


@main.command()
@click.option("--json", "json_wanted", is_flag=True, help="as JSON, on standard output")
def cameras(json_wanted: bool) -> None:
    """List the webcams: what --source takes for each, its name, and the sizes and rates that it has."""
    from pymafx_live.pipeline.listing import NONE, as_json, as_text
    from pymafx_live.pipeline.sources.devices import devices

    found = devices()
    if found or json_wanted:
        click.echo(as_json(found) if json_wanted else as_text(found))
    else:
        click.echo(NONE, err=True)


@main.command()
def skeleton() -> None:
    """Print the joints as JSON: order, parents, rest, and which part says how far each can be trusted."""
    click.echo((resources.files("pymafx_live.engines.data") / "skeleton.json").read_text(encoding="utf-8"), nl=False)


@main.group()
def assets() -> None:
    """Check and prepare the files of PyMAF-X, see docs/pymafx.md."""


@assets.command("check")
@click.argument("folder", type=click.Path(path_type=Path))
def check_assets(folder: Path) -> None:
    """List every file of FOLDER: found, or what is wrong, where to get it, and what works without it."""
    from pymafx_live.core.errors import AssetError
    from pymafx_live.engines.pymafx.files.assets import check

    findings = check(folder)
    for finding in findings:
        click.echo(quiet(f"{finding.state:8} {finding.path}: {finding.message}"))
    if faults := sum(finding.is_fault for finding in findings):
        raise AssetError(
            f"{faults} of the {len(findings)} files in {folder} are missing or damaged: see the list above."
        )


@assets.command("prepare")
@click.argument("folder", type=click.Path(path_type=Path))
def prepare_assets(folder: Path) -> None:
    """Convert FOLDER once into the bundle that later starts map into memory."""
    from pymafx_live.engines.pymafx.files.assets import prepare

    for warning in prepare(folder, lambda step: click.echo(step, err=True)):
        click.echo(f"warning: {warning}", err=True)


@assets.command("synthesize")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="of the random bodies and weights")
def synthesize_assets(folder: Path, seed: int) -> None:
    """Write a licence-free stand-in set into a new FOLDER (1.5 GB): its people move at random."""
    from pymafx_live.engines.pymafx.files.assets import synthesize

    synthesize(folder, seed)
    click.echo(f"written to {folder}", err=True)


@main.command("export")
@click.option("--assets", type=click.Path(path_type=Path), required=True, help="folder of the PyMAF-X files")
@click.option("--out", type=click.Path(path_type=Path), help="folder to export into")
@click.option("--check", type=click.Path(path_type=Path), help="compare this export with what it was made from")
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    help="fp32, mixed (fp16 is the same), or wide (halves in the encoders alone)",
)
@click.option("--max-batch", default=8, show_default=True, type=click.IntRange(1, 64), help="of engines and checks")
@click.option("--runtime", default="auto", show_default=True, help="that the check runs on")
@click.option("--build-engines", is_flag=True, help="build TensorRT engines too")
@click.option("--target", help="compute capability to build engines for, such as 8.9 (TensorRT-RTX; needs no GPU)")
@click.option("--force", is_flag=True, help="write what strays from its original all the same")
def export_networks(**flags: Any) -> None:
    """Export PyMAF-X's network to ONNX, compared with the original first; see docs/runtimes.md."""
    from pymafx_live.export.command import Order, export

    export(Order(**flags, say=lambda step: click.echo(step, err=True)))
