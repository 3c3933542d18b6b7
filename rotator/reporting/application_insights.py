"""Sends metrics and traces to Application Insights if its connection string is set.

OpenTelemetry is imported only in that case.
https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-configuration
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
from rotator.reporting.report import Trigger

logger = logging.getLogger(__name__)

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_AUTHENTICATION = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
_ANSWER_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
# Unless the environment sets them: nothing is sent to other hosts than those of the connection string.
_NO_OTHER_HOSTS = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "azure_functions",
}
# They put each request's URL into a span; the URL of a request that proves a SAS holds that SAS.
_INSTRUMENTORS = {
    "opentelemetry.instrumentation.requests": "RequestsInstrumentor",
    "opentelemetry.instrumentation.urllib": "URLLibInstrumentor",
    "opentelemetry.instrumentation.urllib3": "URLLib3Instrumentor",
}


class _FirstProblem(logging.Handler):
    """Logs the first problem of each run, in one line, in place of the SDKs' own warnings."""

    logged = False

    def emit(self, record: logging.LogRecord) -> None:
        """Log a warning of the SDKs if it is the first."""
        self.log(record.getMessage())

    def log(self, what: str) -> None:
        """Log this if it is the first."""
        if not self.logged:
            self.logged = True
            logger.warning("telemetry does not reach Application Insights: %s", redaction.scrub(what).split("\n")[0])


class _Setup:
    """Sets this process up to send telemetry, once; a run in which that fails leaves it to the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False

    def ensure(self, environment: Mapping[str, str], *, in_terminal: bool) -> None:
        """Do it unless it is done; raises whatever the SDKs raise."""
        with self._lock:
            if not self._done:
                _replace_sdk_logs()
                _set_up(environment, in_terminal=in_terminal)
                self._done = True


_problem = _FirstProblem(logging.WARNING)
_setup = _Setup()


@contextlib.contextmanager
def reporting(environment: Mapping[str, str], *, trigger: Trigger, command: str = "rotate") -> Iterator[None]:
    """Trace the block as the span `rotator.<command>`, and send it and the metrics at its end; raises nothing itself.

    Without a connection string it does nothing. With the `trigger` "cli", in a terminal, logs are sent too.
    """
    if not environment.get(CONNECTION, "").strip() or not _is_set_up(environment, in_terminal=trigger == Trigger.CLI):
        yield
        return
    try:
        with telemetry.span(f"rotator.{command}", trigger=trigger):
            yield
    finally:
        _flush()


def _is_set_up(environment: Mapping[str, str], *, in_terminal: bool) -> bool:
    """Set this process up unless it is; return whether that succeeded."""
    _problem.logged = False
    try:
        _setup.ensure(environment, in_terminal=in_terminal)
    except Exception as error:  # noqa: BLE001  # telemetry must not fail a rotation
        _problem.log(f"{type(error).__name__}: {error}")
        return False
    return True


def _set_up(environment: Mapping[str, str], *, in_terminal: bool) -> None:
    from opentelemetry import trace

    from rotator.reporting import otel_instruments

    provider = trace.get_tracer_provider()
    if not _is_real(provider):
        _configure(environment, in_terminal=in_terminal)
    elif not environment.get("OTEL_TRACES_SAMPLER"):
        # The Functions worker has set it up, with PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: that keeps five spans a
        # second, and a run has more.
        _keep_every_span(provider)
    _stop_recording_urls()
    telemetry.use(otel_instruments.OpenTelemetry())


def _configure(environment: Mapping[str, str], *, in_terminal: bool) -> None:
    # With PYTHON_ENABLE_OPENTELEMETRY the host forwards no logs of the worker, so they are sent from here.
    sends_logs = in_terminal or _is_true(environment.get("PYTHON_ENABLE_OPENTELEMETRY", ""))
    for name, value in (_NO_OTHER_HOSTS if sends_logs else _NO_OTHER_HOSTS | {"OTEL_LOGS_EXPORTER": "none"}).items():
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
        # Not retried: the report is in the log, and the next run sends its own.
        retry_total=0,
        timeout=_ANSWER_SECONDS,
        read_timeout=_ANSWER_SECONDS,
        **_credential(environment),
    )
    if in_terminal:
        _enable_info_logs()


def _keep_every_span(provider: Any) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider.sampler = ALWAYS_ON  # for tracers to come


def _credential(environment: Mapping[str, str]) -> dict[str, Any]:
    """The credential for a resource that takes only Microsoft Entra ID: "ClientId=…;Authorization=AAD"."""
    pairs = (pair.partition("=") for pair in environment.get(_AUTHENTICATION, "").split(";"))
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if fields.get("authorization") != "AAD":
        return {}
    from rotator.azure import identity

    return {"credential": identity.credential(fields.get("clientid"))}


def _role(environment: Mapping[str, str]) -> str:
    return environment.get("OTEL_SERVICE_NAME") or environment.get("WEBSITE_SITE_NAME") or "rotator"


def _stop_recording_urls() -> None:
    """Switch off what records URLs, which the Functions worker may have switched on."""
    from azure.core.settings import settings

    settings.tracing_enabled = False
    for module, name in _INSTRUMENTORS.items():
        if module in sys.modules:
            instrumentor = getattr(sys.modules[module], name)()
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()


def _replace_sdk_logs() -> None:
    for name in ("azure.monitor.opentelemetry", "opentelemetry"):
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.propagate = False
        library.handlers = [_problem]


def _enable_info_logs() -> None:
    """Enable the rotator's log events (INFO) for Application Insights, and keep the terminal's level as it is."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))
    logging.getLogger("rotator").setLevel(min(root.level, logging.INFO))


def _flush() -> None:
    """Send everything within 5 seconds: Azure may freeze or end the instance after the run."""
    from opentelemetry import _logs, metrics, trace

    providers = (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    senders = [threading.Thread(target=_send, args=(each,), daemon=True) for each in providers if _is_real(each)]
    for sender in senders:
        sender.start()
    until = time.monotonic() + _FLUSH_SECONDS
    for sender in senders:
        sender.join(max(0.0, until - time.monotonic()))
    if any(sender.is_alive() for sender in senders):
        _problem.log(f"it takes more than {_FLUSH_SECONDS:.0f} s")


def _send(provider: Any) -> None:
    try:
        provider.force_flush()
    except Exception as error:  # noqa: BLE001  # telemetry must not fail a rotation
        _problem.log(f"{type(error).__name__}: {error}")


def _is_real(provider: object) -> bool:
    """Whether it is a provider of the SDK; those of the API only delegate or do nothing."""
    return hasattr(provider, "force_flush")


def _is_true(text: str) -> bool:
    """Read an app setting as the Functions worker does."""
    return text.strip().lower() in {"1", "true", "t", "yes", "y"}
