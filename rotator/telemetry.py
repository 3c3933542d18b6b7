"""The names of the metrics, and functions to record metrics and traces. They do nothing until `use` sets instruments.

Nothing here imports OpenTelemetry: reporting/application_insights.py does, if Application Insights is configured.
docs/operations.md lists the metrics.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]

# The comments have what is counted or measured; then the attributes.
ROTATIONS = "rotator.rotations"  # targets; outcome, trigger, and error where it failed
RUNS = "rotator.runs"  # runs; outcome, trigger
SECONDS_TO_EXPIRY = "rotator.sas.seconds_to_expiry"  # of the SAS that a target held when it was last read; target
STEP_DURATION = "rotator.step.duration"  # step
VAULT_CALLS = "rotator.vault.calls"  # answers of the vault; operation, status
VAULT_THROTTLES = "rotator.vault.throttles"  # those with status 429; operation
LEASE_WAIT = "rotator.lease.wait"  # outcome: acquired, busy or unavailable
UNITS = {SECONDS_TO_EXPIRY: "s", STEP_DURATION: "s", LEASE_WAIT: "s"}


class Instruments(Protocol):
    """Where metrics and traces are recorded."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:
        """Trace the block; an exception fails the span, which gets only its class."""

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Set the result of the current span: the class of its error, if any, and attributes."""

    def count(self, name: str, attributes: Attributes) -> None:
        """Add 1 to a counter."""

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Record one value of a distribution."""

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Export how many seconds are left, counted down from now on."""


class NoTelemetry:
    """Instruments that record nothing."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[None]:  # noqa: ARG002
        """Trace nothing."""
        return contextlib.nullcontext()

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Set nothing."""

    def count(self, name: str, attributes: Attributes) -> None:
        """Count nothing."""

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Measure nothing."""

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Show nothing."""


_instruments: Instruments = NoTelemetry()


def use(instruments: Instruments) -> Instruments:
    """Record with these instruments from now on; return the former ones."""
    global _instruments  # the process has one place for its telemetry, as OpenTelemetry itself
    before, _instruments = _instruments, instruments
    return before


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[None]:
    """Trace the block as a span of this name."""
    return _instruments.span(name, attributes)


def conclude(error: str | None, **attributes: str | float | bool) -> None:
    """Set the result of the current span: the class of its error, if any, and attributes."""
    _instruments.conclude(error, attributes)


def count(name: str, **attributes: str | float | bool) -> None:
    """Add 1 to a counter."""
    _instruments.count(name, attributes)


def measure(name: str, value: float, **attributes: str | float | bool) -> None:
    """Record one value of a distribution."""
    _instruments.measure(name, value, attributes)


def countdown(name: str, seconds: float, **attributes: str | float | bool) -> None:
    """Export how many seconds are left, counted down from now on."""
    _instruments.countdown(name, seconds, attributes)
