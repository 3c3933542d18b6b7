"""Metrics and traces in the product's words. They go nowhere until `use` says where.

Nothing here imports OpenTelemetry: reporting/application_insights.py does, when Application Insights is set.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]

ROTATIONS = "rotator.rotations"  # targets; outcome, trigger, and error where it failed
RUNS = "rotator.runs"  # runs; outcome, trigger
SECONDS_TO_EXPIRY = "rotator.sas.seconds_to_expiry"  # of the SAS that a target was last seen to hold; target
STEP_DURATION = "rotator.step.duration"  # step
VAULT_CALLS = "rotator.vault.calls"  # answers of the vault; operation, status
VAULT_THROTTLES = "rotator.vault.throttles"  # those that said 429; operation
LEASE_WAIT = "rotator.lease.wait"  # outcome: acquired, busy or unavailable
UNITS = {SECONDS_TO_EXPIRY: "s", STEP_DURATION: "s", LEASE_WAIT: "s"}


class Instruments(Protocol):
    """What takes metrics and traces in."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:
        """Trace what is done inside; an exception makes it a failed one, of which only the class is told."""

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Say of the present span how it ended, and more."""

    def count(self, name: str, attributes: Attributes) -> None:
        """Count one more."""

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Take one of many values, whose distribution is of interest."""

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Show how many seconds are left, from now on ever less."""


class NoTelemetry:
    """Takes everything in and does nothing."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:  # noqa: ARG002
        """Trace nothing."""
        return contextlib.nullcontext()

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Say nothing."""

    def count(self, name: str, attributes: Attributes) -> None:
        """Count nothing."""

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Measure nothing."""

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Show nothing."""


_instruments: Instruments = NoTelemetry()


def use(instruments: Instruments) -> Instruments:
    """Send everything there from now on; gives where it went before."""
    global _instruments  # the process has one place for its telemetry, as OpenTelemetry itself
    before, _instruments = _instruments, instruments
    return before


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[None]:
    """Trace what is done inside."""
    return _instruments.span(name, attributes)


def conclude(error: str | None, **attributes: str | float | bool) -> None:
    """Say of the present span how it ended, and more."""
    _instruments.conclude(error, attributes)


def count(name: str, **attributes: str | float | bool) -> None:
    """Count one more."""
    _instruments.count(name, attributes)


def measure(name: str, value: float, **attributes: str | float | bool) -> None:
    """Take one of many values."""
    _instruments.measure(name, value, attributes)


def countdown(name: str, seconds: float, **attributes: str | float | bool) -> None:
    """Show how many seconds are left, from now on ever less."""
    _instruments.countdown(name, seconds, attributes)
