"""`pymafx-live fleet`: the command line of a fleet. Nothing heavy is imported before a command runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pymafx_live.pipeline.stop import Stop

_ADDRESS = click.option(
    "--address",
    default="",
    help="host:port of the cluster's head, or auto: the one that `ray start` began here; without: a local one",
)
_SELDOM = 5.0
"""Seconds between two looks for workers that have come or gone."""
_PACE = 1.0
"""Seconds between two lines."""
_RECENT = 5
"""Events before this program that it shows."""
_WIDE = 160
"""Columns of a file or a pipe."""


class _Fleet(click.Group):
    """A file in place of a command means to apply it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["apply", *args]
        return super().parse_args(ctx, args)


@click.group("fleet", cls=_Fleet, no_args_is_help=True)
def fleet() -> None:
    """Many cameras on many machines, and one address for those who listen; see docs/fleet.md.

    `pymafx-live fleet cameras.yaml` makes the fleet as the file says, and shows it until Ctrl-C; the fleet goes on.
    """


@fleet.command()
@click.argument("file", type=click.Path(path_type=Path))
@_ADDRESS
@click.option("--publish", default=None, help="address that all people are published on, instead of the file's")
@click.option("--detach", is_flag=True, help="end once the fleet has been told, instead of showing it")
def apply(file: Path, address: str, publish: str | None, detach: bool) -> None:
    """Make the fleet as FILE says, start it if it is not there, and show a line a second until Ctrl-C."""
    from pymafx_live.pipeline.fleet.fleet import started
    from pymafx_live.pipeline.fleet.fleet_file import read_fleet

    wanted = read_fleet(file.expanduser(), publish)
    with started(address, wanted) as (running, changed):
        for number, status in enumerate(_statuses(running, once=detach)):
            if number == 0:
                here = "a local one" if running.cluster.process else running.cluster.address
                _say(f"cluster: {here}; people: {status['address']}; {'; '.join(changed) or 'nothing is changed'}")
            _show(status, changed if number == 0 else [])
        which = f" --address {address}" if address else ""
        _say(f"The fleet goes on. pymafx-live fleet status{which} shows it, pymafx-live fleet stop{which} ends it.")


def _statuses(running: Any, once: bool) -> Iterator[dict[str, Any]]:
    """How the fleet is, now and (unless `once`) every second, with the events since the last."""
    status = running.call("status")
    status["events"] = status["events"][-_RECENT:]
    for _ in _until_stopped(_PACE):
        yield status
        if once:
            return
        status = running.call("status", status["event"])


def _show(status: dict[str, Any], told_already: list[str]) -> None:
    from pymafx_live.pipeline.fleet.report import event, line

    for told in status["events"]:
        if told["text"] not in told_already:
            _say(event(told))
    _say(line(status))


def _until_stopped(pause: float) -> Iterator[None]:
    """Again and again until a signal comes. Used inside of the cluster, as Ray takes some of them for itself."""
    stop = Stop()
    with stop.on_signals():
        stop.looping()
        while not stop.requested:
            yield
            until = time.monotonic() + pause
            while time.monotonic() < until and not stop.requested:
                time.sleep(0.05)


@fleet.command()
@_ADDRESS
@click.option("--json", "as_json", is_flag=True, help="as JSON, on standard output")
def status(address: str, as_json: bool) -> None:
    """Show every camera, worker and node."""
    from pymafx_live.pipeline.fleet.fleet import running
    from pymafx_live.pipeline.fleet.report import line, tables
    from rich.console import Console

    with running(address) as found:
        known = found.call("status")
    if as_json:
        click.echo(json.dumps(known))
        return
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    for table in tables(known):
        console.print(table)
    click.echo(f"people: {known['address']}\n{line(known)}")


@fleet.command()
@click.argument("camera")
@click.argument("worker", default="")
@_ADDRESS
def move(camera: str, worker: str, address: str) -> None:
    """Move CAMERA to WORKER, or to the emptiest other one of its pool."""
    from pymafx_live.pipeline.fleet.fleet import running

    with running(address) as found:
        _say(f"{camera} is on {found.call('move', camera, worker)}")


@fleet.command()
@click.argument("node")
@_ADDRESS
@click.option("--back", is_flag=True, help="let it have workers again")
def drain(node: str, address: str, back: bool) -> None:
    """Move all cameras off NODE (how its id begins, its name or address), and give it none until --back."""
    from pymafx_live.pipeline.fleet.fleet import running

    with running(address) as found:
        told = found.call("drain", node, back)
        _say(f"{told[:8]} {'may have workers again' if back else 'is drained: fleet status shows what is left there'}")


@fleet.command()
@click.argument("file", type=click.Path(path_type=Path))
@_ADDRESS
@click.option("--watch", is_flag=True, help="go on until Ctrl-C, and write it again when workers come or go")
def targets(file: Path, address: str, watch: bool) -> None:
    """Write the workers' metrics addresses to FILE, for Prometheus's file_sd_configs."""
    from pymafx_live.pipeline.fleet.fleet import running
    from pymafx_live.pipeline.fleet.prometheus import write_targets

    with running(address) as found:
        for _ in _until_stopped(_SELDOM) if watch else (None,):
            count = write_targets(file.expanduser(), found.call("status")["workers"])
    _say(f"{file}: {count} workers")


@fleet.command()
@_ADDRESS
def stop(address: str) -> None:
    """End the fleet, and the local cluster that was started for it."""
    from pymafx_live.pipeline.fleet.fleet import stop as stop_

    _say("the fleet has ended" + (", and its cluster" if stop_(address) else ""))


def _say(text: str) -> None:
    from pymafx_live.core.addresses import SECRETS
    from pymafx_live.core.text import quiet_lines

    click.echo(quiet_lines(SECRETS.hide(text)), err=True)
