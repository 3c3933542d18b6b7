"""A function app at the end of its deployment, as its platform shows it and as it answers, without either."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rotator.azure.errors import AppUnreachableError, FunctionAppForbiddenError, ResourceManagerError
from rotator.azure.function_endpoint import Answer
from rotator.azure.function_facts import Function, HostStatus, SiteFacts
from rotator.deployment import listing
from rotator.deployment.errors import DeploymentError
from rotator.deployment.finish import Deployment
from rotator.deployment.progress import Progress, ProgressKind, Stage
from rotator.deployment.waiting import Wait
from rotator.errors import RotatorError
from rotator.redaction import SecretText

WARM_UP = "WarmUp"
RUNNING = HostStatus("Running")
FACTS = SiteFacts("https://myapp.azurewebsites.net", (3, 13))
NOW = "2026-07-01T12:00:00Z"
REPORT: dict[str, Any] = {"run": "20260701T120000Z-abc123", "failed": False, "targets": [{"outcome": "rotated"}]}
FAILED_REPORT = REPORT | {"failed": True, "targets": [{"outcome": "failed", "error": "HostKeyRejectedError"}]}
STATUS: dict[str, Any] = {
    "now": NOW,
    "warnings": [],
    "targets": [{"expires": "2026-07-01T16:00:00Z"}, {"expires": "2026-07-01T15:00:00Z"}, {"expires": None}],
    "timer": {"last": None, "next": "2026-07-01T12:30:00Z", "missed": []},
}
BUSY = {"error": "BusyError", "message": "run 1 is in progress", "remedy": "Wait.", "holder": "run 1", "since": NOW}


@dataclasses.dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = dataclasses.field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def wait(self, seconds: float = 600.0) -> Wait:
        return Wait(seconds, self.clock, self.sleep)


@dataclasses.dataclass
class FakeApp:
    """The app in Resource Manager: its functions are listed after so many syncs, or never.

    `forbidden` has names of methods that no role allows; `starting` is how many calls find a host that is starting.
    """

    listed: tuple[str, ...] = listing.FUNCTIONS
    listed_after: int | None = 0
    disabled: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    starting: int = 0
    status: HostStatus = RUNNING
    facts: SiteFacts = FACTS
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    syncs: int = 0

    def site(self) -> SiteFacts:
        self._permit("site")
        return self.facts

    def functions(self) -> tuple[Function, ...]:
        self._permit("functions")
        known = self.listed_after is not None and self.syncs >= self.listed_after
        names = (*(self.listed if known else ()), WARM_UP)
        return tuple(Function(name, name in self.disabled) for name in names)

    def sync(self) -> None:
        self._permit("sync")
        self.syncs += 1

    def key(self, function: str) -> SecretText:
        self._permit("key")
        return SecretText(f"the key of {function}")

    def host_status(self) -> HostStatus:
        self._permit("host_status")
        return self.status

    def setting(self, name: str) -> str:
        self._permit("setting")
        return self.settings.get(name, "")

    def _permit(self, method: str) -> None:
        if method in self.forbidden:
            raise FunctionAppForbiddenError(f"no role allows {method}", remedy="Assign a role.")
        if self.starting and method in {"functions", "sync", "key"}:
            self.starting -= 1
            raise ResourceManagerError("Resource Manager answered 400 (BadRequest)")


class FakeEndpoint:
    """The app's triggers: each path has answers, or errors, that come in their order; the last one stays.

    A trigger opens only with its own key.
    """

    def __init__(self, **answers: list[Answer | AppUnreachableError]) -> None:
        self._answers = answers

    def ask(self, method: str, path: str, key: SecretText, body: Mapping[str, Any] | None = None) -> Answer:
        name, function, expected = {
            ("POST", "/api/rotate"): ("rotate", "rotate_now", {"only_due": True}),
            ("GET", "/api/status"): ("status", "status", None),
        }[method, path]
        if key.reveal() != f"the key of {function}":
            return Answer(401, {})
        assert body == expected
        found = self._answers[name]
        answer = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(answer, AppUnreachableError):
            raise answer
        return answer


def answering(
    rotate: Answer | list[Answer | AppUnreachableError] | None = None,
    status: Answer | list[Answer | AppUnreachableError] | None = None,
) -> FakeEndpoint:
    """An app that rotates and whose timer will fire, but for what is given."""
    rotated, shown = rotate or Answer(200, REPORT), status or Answer(200, STATUS)
    return FakeEndpoint(
        rotate=[rotated] if isinstance(rotated, Answer) else rotated,
        status=[shown] if isinstance(shown, Answer) else shown,
    )


@dataclasses.dataclass
class Ended:
    """What was announced in the end, and by which error it ended, if by one."""

    lines: list[Progress]
    error: RotatorError | None = None

    def texts(self, stage: Stage, kind: ProgressKind) -> list[str]:
        return [line.text for line in self.lines if (line.stage, line.kind) == (stage, kind)]


def finish(app: FakeApp, endpoint: FakeEndpoint | None = None, *, seconds: float = 600.0) -> Ended:
    """End a deployment, however it ends."""
    time, ended = Time(), Ended([])

    @contextlib.contextmanager
    def connect(url: str) -> Iterator[FakeEndpoint]:
        if url != app.facts.url:
            raise DeploymentError(f"nothing is at {url}")
        yield endpoint or answering()

    deployment = Deployment(app, connect, ended.lines.append, seconds=seconds, clock=time.clock, sleep=time.sleep)
    try:
        deployment.finish()
    except RotatorError as error:
        ended.error = error
    return ended
