"""Metrics and traces through OpenTelemetry's API; its SDK, which sends them, is set up elsewhere."""

import contextlib
import functools
import time
from collections.abc import Iterable, Iterator

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Span, Status, StatusCode

from rotator import __version__, errors, telemetry
from rotator.telemetry import Attributes


class OpenTelemetry:
    """Instruments that use the process's tracer and meter."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("rotator", __version__)
        self._meter = metrics.get_meter("rotator", __version__)
        self._counter = functools.cache(self._meter.create_counter)
        self._histogram = functools.cache(self._meter.create_histogram)
        self._countdown = functools.cache(self._new_countdown)

    @contextlib.contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """Trace the block; of an exception record only the class, as its message may hold a secret."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield
            except errors.BusyError:  # not a failure: another run is in progress
                current.set_attribute("outcome", "busy")
                raise
            except BaseException as error:
                _fail(current, type(error).__name__)
                raise

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Set the result of the current span: the class of its error, if any, and attributes."""
        current = trace.get_current_span()
        current.set_attributes(attributes)
        if error:
            _fail(current, error)

    def count(self, name: str, attributes: Attributes) -> None:
        """Add 1 to a counter."""
        self._counter(name).add(1, attributes)

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Record one value of a distribution."""
        self._histogram(name, telemetry.UNITS.get(name, "")).record(value, attributes)

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Export how many seconds are left at each export; a plain gauge would repeat the value of this call."""
        self._countdown(name).ends[tuple(attributes.items())] = time.time() + seconds

    def _new_countdown(self, name: str) -> "_Countdown":
        countdown = _Countdown()
        self._meter.create_observable_gauge(name, [countdown], telemetry.UNITS.get(name, ""))
        return countdown


def _fail(span: Span, error: str) -> None:
    span.set_status(Status(StatusCode.ERROR, error))
    span.set_attribute("error", error)  # Application Insights leaves a status's description out


class _Countdown:
    """The callback of an observable gauge: computes how many seconds are left at each export."""

    def __init__(self) -> None:
        self.ends: dict[tuple[tuple[str, str | int | float | bool], ...], float] = {}

    def __call__(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(end - time.time(), dict(of)) for of, end in list(self.ends.items())]
