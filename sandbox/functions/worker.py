"""Runs a function app as the Functions worker does: `python -m sandbox.functions.worker APP_DIRECTORY`.

Each line on stdin is an invocation in JSON, each line on stdout its result; logs go to stderr. On Python 3.13 and
later the engine is Azure's own, azure-functions-runtime; before that the worker is not published, and the functions
are called through the programming model alone.
"""

import asyncio
import importlib
import json
import logging
import sys
import types
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

Bindings = list[dict[str, Any]]
Invocation = dict[str, Any]
Result = dict[str, Any]

# The line on stderr after what an invocation logged.
LOGGED = "--- the invocation's log ends here ---"


class Engine(Protocol):
    """What indexes an app and runs its functions."""

    name: str

    def index(self, directory: Path) -> dict[str, Bindings]:
        """Load the app; return the bindings of its functions by their names."""

    def invoke(self, invocation: Invocation) -> Result:
        """Run one function with a timer's or a request's data."""

    def close(self) -> None:
        """End its threads."""


class ProgrammingModel:
    """Calls the functions that the app registers, with the objects that the worker would pass."""

    name = "azure-functions"

    def index(self, directory: Path) -> dict[str, Bindings]:
        """Import function_app and build its functions."""
        sys.path.insert(0, str(directory))
        found = {each.get_function_name(): each for each in importlib.import_module("function_app").app.get_functions()}
        self._functions = {name: function.get_user_function() for name, function in found.items()}
        return {name: _bindings(function.get_raw_bindings()) for name, function in found.items()}

    def invoke(self, invocation: Invocation) -> Result:
        """Run one function; an exception is a failed invocation."""
        from azure.functions import HttpRequest
        from azure.functions.http import HttpResponseConverter
        from azure.functions.timer import TimerRequest

        function = self._functions[invocation["function"]]
        try:
            if "timer" in invocation:
                timer = invocation["timer"]
                function(TimerRequest(past_due=timer["past_due"], schedule_status=timer["status"]))
                return {"ok": True}
            asked = invocation["http"]
            sent = {"headers": asked["headers"], "params": _query(asked["url"]), "body": asked["body"].encode()}
            answer = function(HttpRequest(asked["method"], asked["url"], **sent))
        except Exception as error:  # as the worker does
            logging.getLogger("worker").exception("invocation failed")
            return {"ok": False, "exception": str(error)}
        encoded = HttpResponseConverter.encode(answer, expected_type=None).value
        headers = {name: datum.value for name, datum in encoded["headers"].items()}
        return _answered(answer.status_code, headers, answer.get_body())

    def close(self) -> None:
        """Do nothing: it has no threads."""


class Runtime:
    """Azure's runtime, given plain objects for its messages: it takes the message module from its caller."""

    name = "azure-functions-runtime"

    def __init__(self) -> None:
        self._runtime = importlib.import_module("azure_functions_runtime")
        self._loop = asyncio.new_event_loop()
        self._ids: dict[str, str] = {}

    def index(self, directory: Path) -> dict[str, Bindings]:
        """Initialise, which indexes the app, then load each function."""
        sys.path.insert(0, str(directory))
        self._runtime.start_threadpool_executor()
        start = _Bag(capabilities={}, function_app_directory=str(directory))
        answer = self._call("worker_init_request", worker_init_request=start)
        if answer.result.status != _PROTOS.StatusResult.Success:
            raise RuntimeError(answer.result.exception.message)
        indexed: dict[str, Bindings] = {}
        for function in self._call("functions_metadata_request").function_metadata_results or []:
            load = _Bag(function_id=function.function_id, metadata=function)
            self._call("function_load_request", function_load_request=load)
            self._ids[function.name] = function.function_id
            indexed[function.name] = _bindings(function.raw_bindings or [])
        return indexed

    def invoke(self, invocation: Invocation) -> Result:
        """Send an invocation request and read its response."""
        name, data = ("timer", _timer(invocation)) if "timer" in invocation else ("req", _http(invocation))
        request = _Bag(
            invocation_id="sandbox",
            function_id=self._ids[invocation["function"]],
            input_data=[_PROTOS.ParameterBinding(name=name, data=data)],
            trigger_metadata={},
            trace_context=_Bag(trace_parent="", trace_state="", attributes={}),
            retry_context=_Bag(retry_count=0, max_retry_count=0),
        )
        response = self._call("invocation_request", invocation_request=request)
        if response.result.status != _PROTOS.StatusResult.Success:
            error = response.result.exception
            return {"ok": False, "exception": error.message, "trace": error.stack_trace}
        if response.return_value is None or response.return_value.http is None:
            return {"ok": True}
        answer = response.return_value.http
        return _answered(int(answer.status_code), answer.headers, answer.body.bytes)

    def close(self) -> None:
        """End its threads and its event loop."""
        self._runtime.stop_threadpool_executor()
        self._loop.close()

    def _call(self, what: str, **request: Any) -> Any:
        message = _Bag(request=_Bag(**request), properties={"host": "127.0.0.1", "protos": _PROTOS})
        return self._loop.run_until_complete(getattr(self._runtime, what)(message))


def _bindings(raw: list[str]) -> Bindings:
    return [json.loads(each) for each in raw]


class _Bag(types.SimpleNamespace):
    """A message whose unset fields read as None."""

    def __getattr__(self, name: str) -> None:
        # The runtime probes for `TypedData` to tell its own kinds of data apart.
        if name.startswith("__") or name == "TypedData":
            raise AttributeError(name)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  # protobuf's name
        return next((name for name, value in vars(self).items() if value is not None and name != "name"), None)


_MESSAGES = (
    "FunctionEnvironmentReloadResponse FunctionLoadResponse FunctionMetadataResponse InvocationResponse RpcException "
    "RpcFunctionMetadata RpcHttp RpcRetryOptions WorkerInitResponse WorkerMetadata NullableBool NullableDouble "
    "NullableString NullableTimestamp TypedData ParameterBinding"
)
_PROTOS = types.SimpleNamespace(
    **{name: type(name, (_Bag,), {}) for name in _MESSAGES.split()},
    StatusResult=type("StatusResult", (_Bag,), {"Failure": 0, "Success": 1, "Cancelled": 2}),
    BindingInfo=type("BindingInfo", (_Bag,), {"in": 0, "out": 1, "inout": 2}),
    RpcHttpCookie=type("RpcHttpCookie", (_Bag,), {"SameSite": types.SimpleNamespace(Lax=1, Strict=2, ExplicitNone=3)}),
)


def _timer(invocation: Invocation) -> Any:
    timer = invocation["timer"]
    message = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": timer["status"], "IsPastDue": timer["past_due"]}
    return _PROTOS.TypedData(json=json.dumps(message))


def _http(invocation: Invocation) -> Any:
    asked = invocation["http"]
    body = _PROTOS.TypedData(bytes=asked["body"].encode())
    parts = {"headers": asked["headers"], "params": {}, "query": _query(asked["url"]), "body": body}
    return _PROTOS.TypedData(http=_Bag(method=asked["method"], url=asked["url"], **parts))


def _query(url: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))


def _answered(status: int, headers: Mapping[str, str], body: bytes) -> Result:
    lower = {name.lower(): text for name, text in headers.items()}
    return {"ok": True, "status": status, "headers": lower, "body": body.decode()}


def make_engine() -> Engine:
    """Make the engine that Azure would run the app by, where it is published for this Python."""
    return Runtime() if sys.version_info >= (3, 13) else ProgrammingModel()


def main(directory: Path) -> None:
    """Index the app, then serve invocations until stdin ends."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    engine = make_engine()
    indexed = engine.index(directory)
    first = {"engine": engine.name, "functions": list(indexed), "bindings": indexed}
    print(json.dumps(first), flush=True)  # noqa: T201
    for line in sys.stdin:
        answer = json.dumps(engine.invoke(json.loads(line)))
        print(LOGGED, file=sys.stderr, flush=True)  # noqa: T201
        print(answer, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
