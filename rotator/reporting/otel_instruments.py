"""Metrics and traces through OpenTelemetry's API, whoever has set up where it sends them."""

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
    """What rotator.telemetry sends goes to the process's tracer and meter."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("rotator", __version__)
        self._meter = metrics.get_meter("rotator", __version__)
        self._counter = functools.cache(self._meter.create_counter)
        self._histogram = functools.cache(self._meter.create_histogram)
        self._countdown = functools.cache(self._new_countdown)

    @contextlib.contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """Trace what is done inside; of an exception only the class, as its words may hold a secret."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as current:
            try:
                yield
            except errors.BusyError:  # nothing failed: another run is at it
                current.set_attribute("outcome", "busy")
                raise
            except BaseException as error:
                _fail(current, type(error).__name__)
                raise

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        """Say of the present span how it ended, and more."""
        current = trace.get_current_span()
        current.set_attributes(attributes)
        if error:
            _fail(current, error)

    def count(self, name: str, attributes: Attributes) -> None:
        """Count one more."""
        self._counter(name).add(1, attributes)

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Take one of many values."""
        self._histogram(name, telemetry.UNITS.get(name, "")).record(value, attributes)

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        """Show how many seconds are left, from now on ever less; a gauge would be sent as it was, again and again."""
        self._countdown(name).ends[tuple(attributes.items())] = time.time() + seconds

    def _new_countdown(self, name: str) -> "_Countdown":
        countdown = _Countdown()
        self._meter.create_observable_gauge(name, [countdown], telemetry.UNITS.get(name, ""))
        return countdown


def _fail(span: Span, error: str) -> None:
    span.set_status(Status(StatusCode.ERROR, error))
    span.set_attribute("error", error)  # Application Insights leaves a status's description out


class _Countdown:
    """Tells the meter, whenever it asks, how many seconds are left."""

    def __init__(self) -> None:
        self.ends: dict[tuple[tuple[str, str | int | float | bool], ...], float] = {}

    def __call__(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(end - time.time(), dict(of)) for of, end in list(self.ends.items())]
