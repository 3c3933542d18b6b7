"""OpenAPI 2.0 documents, and whether an HTTP exchange is as they say. bravado-core validates; this finds the operation.

https://github.com/Azure/autorest/blob/main/docs/extensions/readme.md has the extensions (`x-ms-paths`).
"""

import dataclasses
import json
import logging
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from requests.structures import CaseInsensitiveDict

from sandbox.server.journal import Exchange
from tests.conformance import xml_body

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it uses jsonschema's former resolver
    from bravado_core.exception import SwaggerError
    from bravado_core.formatter import SwaggerFormat
    from bravado_core.operation import Operation
    from bravado_core.param import cast_request_param, unmarshal_param
    from bravado_core.request import IncomingRequest
    from bravado_core.schema import collapsed_properties
    from bravado_core.spec import Spec
    from bravado_core.validate import validate_schema_object
    from jsonschema import ValidationError

# The library is typed in part only.
_SPEC: Any = Spec.from_dict
_READ: Any = unmarshal_param
_CAST: Any = cast_request_param
# Path parameters that hold slashes, or may be empty, as SDKs leave it for the latest version.
_PARTS = {"scope": ".+", "blob": ".+", "secret-version": "[^/]*"}
_FORMATS = {
    "arm-id": r"/subscriptions/[0-9a-f-]{36}/.+",
    "base64url": r"[A-Za-z0-9_-]*",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "date-time-rfc1123": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "uri": r"https?://.+",
    "url": r"https?://.+",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
_AUTHORIZATION = frozenset(("sv", "ss", "srt", "sp", "st", "se", "spr", "sig"))  # of a SAS
# Every request may have them: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-headers
_COMMON = frozenset(("x-ms-client-request-id", "x-ms-date", "x-ms-version", "x-ms-return-client-request-id"))
# Of the headers in an answer, those that are not about something optional.
_ALWAYS = {"date", "etag", "last-modified", "x-ms-blob-type", "x-ms-creation-time", "x-ms-error-code"}
_ALWAYS |= {"x-ms-has-immutability-policy", "x-ms-has-legal-hold", "x-ms-request-id", "x-ms-version"}
_ALWAYS |= {"x-ms-lease-id", "x-ms-lease-state", "x-ms-lease-status"}
_ALWAYS |= {"x-ms-request-server-encrypted", "x-ms-server-encrypted"}
_ECHOED = "x-ms-client-request-id"


@dataclasses.dataclass(frozen=True)
class _Template:
    """A path of the document: its pattern, the query that belongs to it, and its operations by method."""

    name: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    literal: int
    operations: Mapping[str, Operation]


logging.getLogger("bravado_core.model").setLevel(logging.ERROR)  # of two models of one name it takes either


class _Request(IncomingRequest):
    def __init__(self, exchange: Exchange, path: Mapping[str, str], query: Mapping[str, str]) -> None:
        self.path, self.query = path, query
        self.headers = CaseInsensitiveDict(exchange.headers)
        self._body = exchange.body

    def json(self, **_options: Any) -> Any:
        return json.loads(self._body)


class Specification:
    """One document; `prefix` is what the server has before its paths, and `amend` corrects where Azure is otherwise."""

    def __init__(
        self, file: Path, prefix: str = "", amend: Callable[[dict[str, Any]], None] = lambda _document: None
    ) -> None:
        document = json.loads(file.read_text())
        amend(document)
        document.setdefault("paths", {}).update(document.pop("x-ms-paths", {}))
        config = {"validate_swagger_spec": False, "use_models": False, "formats": list(_formats())}
        config["default_type_to_object"] = True  # Azure's documents leave it out
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._spec: Any = _SPEC(document, origin_url=file.as_uri(), config=config)
        self.prefix = prefix
        found: dict[str, dict[str, Operation]] = {}
        for resource in self._spec.resources.values():
            for operation in resource.operations.values():
                found.setdefault(operation.path_name, {})[operation.http_method.upper()] = operation
        templates = [_template(name, operations) for name, operations in found.items()]
        self._templates = [each for each in templates if each.literal > len("/") or "?" in each.name]

    def operation(self, exchange: Exchange) -> str | None:
        """The id of the operation that the exchange is one of, None when the document has none."""
        return self._judged(exchange)[0]

    def problems(self, exchange: Exchange) -> list[str]:
        """In what the exchange is not as the document says."""
        return self._judged(exchange)[1]

    def _judged(self, exchange: Exchange) -> tuple[str | None, list[str]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [
                (operation.operation_id, list(self._check(exchange, operation, names)))
                for operation, names in self._candidates(exchange)
            ]
        # Some operations differ by a header only: it is the one for which the request is right.
        return min(found, key=_of_request, default=(None, ["the document has no such operation"]))

    def _candidates(self, exchange: Exchange) -> list[tuple[Operation, dict[str, str]]]:
        path, query = _target(exchange, self.prefix)
        fitting = [
            (template, match.groupdict())
            for template in self._templates
            if exchange.method in template.operations
            and (match := template.path.fullmatch(path))
            and template.query.items() <= query.items()
        ]
        best = max(((len(one.query), one.literal) for one, _ in fitting), default=None)
        return [
            (one.operations[exchange.method], {name.replace("__", "-"): text for name, text in names.items()})
            for one, names in fitting
            if (len(one.query), one.literal) == best
        ]

    def _check(self, exchange: Exchange, operation: Operation, names: dict[str, str]) -> Iterator[str]:
        _, query = _target(exchange, self.prefix)
        request = _Request(exchange, {**names, "url": "https://account"}, query)
        for parameter in operation.params.values():
            schema = self._spec.deref(parameter.param_spec.get("schema", {}))
            if schema.get("format") == "file":
                continue
            if parameter.location == "body" and _is_xml(exchange):
                yield from self._body("request", schema, exchange.body, exchange.headers)
                continue
            try:
                _READ(parameter, request)
            except (ValidationError, SwaggerError) as error:
                yield f"request, {parameter.name}: {_short(error)}"
            else:
                if parameter.location == "body" and exchange.body:
                    yield from self._unknown("request", schema, json.loads(exchange.body))
        yield from _unknown_parameters(exchange, operation, query)
        yield from self._answer(exchange, operation)

    def _answer(self, exchange: Exchange, operation: Operation) -> Iterator[str]:
        answers = self._spec.deref(operation.op_spec["responses"])
        response = answers.get(str(exchange.status))
        if response is None and (exchange.status < 400 or "default" not in answers):  # an error's beginning
            yield f"the answer's status {exchange.status} is none of {', '.join(answers)}"
            return
        response = self._spec.deref(response or answers["default"])
        yield from self._headers(response, exchange)
        schema = self._spec.deref(response.get("schema"))
        if exchange.method == "HEAD":
            return
        if schema is None and exchange.answer:
            yield "the answer has a body"
        elif schema is not None and self._spec.deref(schema).get("type") != "file":
            yield from self._body("answer", schema, exchange.answer, exchange.answer_headers)

    def _headers(self, response: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
        given = CaseInsensitiveDict(exchange.answer_headers)
        for name, schema in (response.get("headers") or {}).items():
            echoed = name.lower() == _ECHOED and _ECHOED in CaseInsensitiveDict(exchange.headers)
            if name not in given and (name.lower() in _ALWAYS or echoed):
                yield f"answer, header {name} is missing"
            elif name in given:
                try:
                    value = _CAST(schema.get("type"), name, given[name])
                    validate_schema_object(self._spec, schema, value)
                except (ValidationError, SwaggerError) as error:
                    yield f"answer, header {name}: {_short(error)}"

    def _body(self, where: str, schema: Any, body: bytes, headers: Mapping[str, str]) -> Iterator[str]:
        try:
            is_xml = "xml" in CaseInsensitiveDict(headers).get("Content-Type", "")
            value = xml_body.read(self._spec, schema, body) if is_xml else json.loads(body)
            validate_schema_object(self._spec, schema, value)
        except ValueError:
            yield f"{where}: the body cannot be read"
        except (ValidationError, SwaggerError) as error:
            yield f"{where}: {_short(error)}"
        else:
            yield from self._unknown(where, schema, value)

    def _unknown(self, where: str, schema: Any, value: Any) -> Iterator[str]:
        """Members that the document does not know, which JSON schema would take."""
        schema = self._spec.deref(schema)
        if isinstance(value, list):
            for each in value:
                yield from self._unknown(where, schema.get("items", {}), each)
        if not isinstance(value, dict):
            return
        known = collapsed_properties(schema, self._spec)
        more = self._spec.deref(schema.get("additionalProperties"))
        for name, each in value.items():
            if name in known:
                yield from self._unknown(f"{where}, {name}", known[name], each)
            elif not more and known:
                yield f"{where}: unknown member {name}"


def _formats() -> Iterator[SwaggerFormat]:
    def checked(pattern: str) -> Any:
        def check(value: Any) -> None:
            if isinstance(value, str) and not re.fullmatch(pattern, value, re.DOTALL):
                raise ValueError(f"not as {pattern}")

        return check

    def same(value: Any) -> Any:
        return value

    for name in (*_FORMATS, "unixtime", "int32", "int64", "byte", "file", "password"):
        check = checked(_FORMATS.get(name, ".*"))
        yield SwaggerFormat(format=name, to_wire=same, to_python=same, validate=check, description=name)


def _template(name: str, operations: dict[str, Operation]) -> _Template:
    path, _, query = name.partition("?")
    pattern, literal = "", 0
    for part in re.split(r"(\{[^}]+\})", path.rstrip("/") or "/"):
        if part.startswith("{"):
            group = part[1:-1].replace("-", "__")
            pattern += f"(?P<{group}>{_PARTS.get(part[1:-1], '[^/]+')})"
        else:
            pattern, literal = pattern + re.escape(part), literal + len(part)
    pairs = dict(urllib.parse.parse_qsl(query))
    # SDKs put a slash at the end where an optional last part may follow; Resource Manager knows no letter case.
    return _Template(name, re.compile(f"{pattern}/?", re.IGNORECASE), pairs, literal, operations)


def _target(exchange: Exchange, prefix: str) -> tuple[str, dict[str, str]]:
    parts = urllib.parse.urlsplit(exchange.target)
    path = re.sub(f"^{prefix}", "", parts.path) if prefix else parts.path
    return path or "/", dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))


def _unknown_parameters(exchange: Exchange, operation: Operation, query: Mapping[str, str]) -> Iterator[str]:
    of_path = dict(urllib.parse.parse_qsl(operation.path_name.partition("?")[2], keep_blank_values=True))
    known = {each.name.lower() for each in operation.params.values() if each.location in ("query", "header")}
    known |= {name.lower() for name in of_path} | _COMMON
    for name in query:
        if name.lower() not in known | _AUTHORIZATION:
            yield f"request: unknown parameter {name}"
    for name in exchange.headers:
        # A prefix stands for all of a family, as x-ms-meta for the metadata.
        if name.lower().startswith("x-ms-") and not any(name.lower().startswith(each) for each in known):
            yield f"request: unknown header {name}"


def _is_xml(exchange: Exchange) -> bool:
    return "xml" in CaseInsensitiveDict(exchange.headers).get("Content-Type", "")


def _of_request(judged: tuple[str | None, list[str]]) -> int:
    return sum(problem.startswith("request") for problem in judged[1])


def _short(error: Exception) -> str:
    path = "/".join(str(part) for part in getattr(error, "path", ()))
    return f"{path}: {getattr(error, 'message', None) or error}"[:300]
