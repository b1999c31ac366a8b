"""What tests of several folders share."""

import os
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings
from pymafx_live.engines.runtime import telemetry

telemetry.switch_off()  # some tests import such a library by themselves
# A slow machine is no fault of what is tested. CI tries the same examples each time, `make test` new ones.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("any machine")

pytest_plugins = ["support.pymafx_assets"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--need", action="append", default=[], metavar="MODULE", help="end where one of these cannot be imported"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests of an extra skip where it is not installed; who means to run them says so, and hears of it."""
    if missing := [name for name in config.getoption("--need") if find_spec(name) is None]:
        raise pytest.UsageError(f"not installed, though needed: {', '.join(missing)}")
