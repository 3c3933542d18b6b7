"""Application Insights as the place for metrics and traces, when its connection string is set.

OpenTelemetry is imported then only. https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-configuration
"""

import contextlib
import importlib.metadata
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rotator import redaction, telemetry

logger = logging.getLogger(__name__)

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_AUTHENTICATION = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
_ANSWER_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
# Unless the environment says otherwise: nothing goes to other hosts than the connection string's.
_QUIET = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_functions",
}
# They put each request's URL into a span, and where a SAS is tried on storage, the URL holds it.
_INSTRUMENTORS = {
    "opentelemetry.instrumentation.requests": "RequestsInstrumentor",
    "opentelemetry.instrumentation.urllib": "URLLibInstrumentor",
    "opentelemetry.instrumentation.urllib3": "URLLib3Instrumentor",
}


class _Complaints(logging.Handler):
    """Of all that the SDKs complain of in a run, one line."""

    told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, if it's the first."""
        self.tell(record.getMessage())

    def tell(self, what: str) -> None:
        """Say it, if it's the first."""
        if not self.told:
            self.told = True
            logger.warning("telemetry does not reach Application Insights: %s", redaction.scrub(what).split("\n")[0])


class _Preparation:
    """What is done once in a process, by the first run that succeeds in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False

    def ensure(self, environment: Mapping[str, str], *, in_terminal: bool) -> None:
        """Do it, unless it's done; raises whatever the SDKs raise."""
        with self._lock:
            if not self._done:
                _listen()
                _prepare(environment, in_terminal=in_terminal)
                self._done = True


_complaints = _Complaints(logging.WARNING)
_preparation = _Preparation()


@contextlib.contextmanager
def reporting(environment: Mapping[str, str], *, trigger: str, act: str = "rotate") -> Iterator[None]:
    """Trace what is done inside, and send that and its metrics off at the end; never raises by itself.

    Without a connection string it does nothing. `trigger` is "cli" in a terminal, where logs are sent too.
    """
    if not environment.get(CONNECTION, "").strip() or not _prepared(environment, in_terminal=trigger == "cli"):
        yield
        return
    try:
        with telemetry.span(f"rotator.{act}", trigger=trigger):
            yield
    finally:
        _flush()


def _prepared(environment: Mapping[str, str], *, in_terminal: bool) -> bool:
    """Make this process send telemetry, unless it does already; tells whether that succeeded."""
    _complaints.told = False
    try:
        _preparation.ensure(environment, in_terminal=in_terminal)
    except Exception as error:  # noqa: BLE001  # whatever it is, the rotation matters more
        _complaints.tell(f"{type(error).__name__}: {error}")
        return False
    return True


def _prepare(environment: Mapping[str, str], *, in_terminal: bool) -> None:
    from opentelemetry import trace

    from rotator.reporting import otel_instruments

    provider = trace.get_tracer_provider()
    if not _is_real(provider):
        _configure(environment, in_terminal=in_terminal)
    elif not environment.get("OTEL_TRACES_SAMPLER"):
        # The Functions worker has set it up, with PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: five spans a second, and
        # a run has more.
        _keep_every_span(provider)
    _disarm()
    telemetry.use(otel_instruments.OpenTelemetry())


def _configure(environment: Mapping[str, str], *, in_terminal: bool) -> None:
    # With PYTHON_ENABLE_OPENTELEMETRY the worker's host forwards no logs, but nothing else is set up.
    sends_logs = in_terminal or _is_true(environment.get("PYTHON_ENABLE_OPENTELEMETRY", ""))
    for name, value in (_QUIET if sends_logs else _QUIET | {"OTEL_LOGS_EXPORTER": "none"}).items():
        os.environ.setdefault(name, value)
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry.sdk.resources import Resource

    known = importlib.metadata.entry_points(group="opentelemetry_instrumentor").names
    configure_azure_monitor(
        connection_string=environment[CONNECTION].strip(),
        resource=Resource({"service.name": _role(environment)}),
        logger_name="rotator",
        logging_formatter=logging.Formatter(),
        instrumentation_options={name: {"enabled": False} for name in {"azure_sdk", *known}},
        enable_live_metrics=False,
        enable_performance_counters=False,
        disable_offline_storage=True,
        sampling_ratio=1.0,
        # What could not be sent is not tried again: the report is in the log, and the next run sends its own.
        retry_total=0,
        timeout=_ANSWER_SECONDS,
        read_timeout=_ANSWER_SECONDS,
        **_credential(environment),
    )
    if in_terminal:
        _make_records()


def _keep_every_span(provider: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider.sampler = ALWAYS_ON  # for tracers to come


def _credential(environment: Mapping[str, str]) -> dict[str, Any]:
    """Sign in where the resource takes Microsoft Entra ID only: "ClientId=…;Authorization=AAD"."""
    pairs = (pair.partition("=") for pair in environment.get(_AUTHENTICATION, "").split(";"))
    said = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if said.get("authorization") != "AAD":
        return {}
    from rotator.azure import identity

    return {"credential": identity.credential(said.get("clientid"))}


def _role(environment: Mapping[str, str]) -> str:
    return environment.get("OTEL_SERVICE_NAME") or environment.get("WEBSITE_SITE_NAME") or "rotator"


def _disarm() -> None:
    """Undo what records URLs, if whoever set OpenTelemetry up has switched it on."""
    from azure.core.settings import settings

    settings.tracing_enabled = False
    for module, name in _INSTRUMENTORS.items():
        if module in sys.modules:
            instrumentor = getattr(sys.modules[module], name)()
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()


def _listen() -> None:
    for name in ("azure.monitor.opentelemetry", "opentelemetry"):
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.propagate = False
        library.handlers = [_complaints]


def _make_records() -> None:
    """Have the rotator's decisions logged for whoever listens, and the terminal show no more than before."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))
    logging.getLogger("rotator").setLevel(min(root.level, logging.INFO))


def _flush() -> None:
    """Send everything now, within a bound: an instance may be frozen or ended after the run."""
    from opentelemetry import _logs, metrics, trace

    providers = (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    senders = [threading.Thread(target=_send, args=(each,), daemon=True) for each in providers if _is_real(each)]
    for sender in senders:
        sender.start()
    until = time.monotonic() + _FLUSH_SECONDS
    for sender in senders:
        sender.join(max(0.0, until - time.monotonic()))
    if any(sender.is_alive() for sender in senders):
        _complaints.tell(f"it takes more than {_FLUSH_SECONDS:.0f} s")


def _send(provider: Any) -> None:
    try:
        provider.force_flush()
    except Exception as error:  # noqa: BLE001  # whatever it is, the rotation is done
        _complaints.tell(f"{type(error).__name__}: {error}")


def _is_real(provider: object) -> bool:
    """Tell a provider of the SDK from the API's, which only stand for one."""
    return hasattr(provider, "force_flush")


def _is_true(text: str) -> bool:
    """Read an app setting as the worker does."""
    return text.strip().lower() in {"1", "true", "t", "yes", "y"}
