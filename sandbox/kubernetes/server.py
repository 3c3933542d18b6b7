"""A Kubernetes API for Secrets and Namespaces, and the roles for them: its state, its memory, and its knobs."""

import asyncio
import collections
import contextlib
import copy
import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from aiohttp import web

from sandbox.kubernetes import fields, http, kubeconfig, rbac
from sandbox.kubernetes.refusals import Document
from sandbox.server import loopback
from sandbox.server.certificates import Authority
from sandbox.server.journal import Journal

Key = tuple[str, str]  # namespace and name


@dataclasses.dataclass
class KubernetesFault:
    """An answer for the next `times` requests with this verb ("*": any) on Secrets, instead of the real one.

    `dry_run` True or False limits it to dry runs or to real ones. With `carried_out` the request takes effect and
    only its answer is replaced, as when the connection to etcd times out after the write. `quotes` makes words of the
    Secret that was sent, which end the message, as an admission webhook's may.
    """

    verb: str
    status: int = 500
    reason: str = "InternalError"
    message: str = "Internal error occurred: the sandbox was told to answer this"
    times: int = 1
    dry_run: bool | None = None
    carried_out: bool = False
    quotes: Callable[[Document], str] | None = None

    def matches(self, verb: str, *, dry_run: bool) -> bool:
        """Whether this request is one of those meant."""
        return self.times > 0 and self.verb in ("*", verb) and self.dry_run in (None, dry_run)


@dataclasses.dataclass(frozen=True)
class Change:
    """One persisted change, as a watch shows it; `moment` is time.monotonic()."""

    type: str
    namespace: str
    name: str
    uid: str
    moment: float


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    """A change with the Secret as it was then (for a deletion: as it last was)."""

    type: str
    version: int
    secret: Document


class KubernetesApi:
    """The API server. `secrets` holds each Secret as the API shows it, `history` every persisted change.

    Knobs: `denied` has verbs that RBAC refuses to `user` on Secrets, or on another resource as in "get namespaces",
    until a role is bound that grants them (`access` has both, by resource; only the administrator writes them, who
    has a kubeconfig of their own and is refused nothing); `quota` is count/secrets per namespace, and with
    `quota_lags` a deleted Secret still counts, as until the real quota controller catches up; `required_labels` are
    those without which an admission webhook lets no Secret be written; `faults` are used up in order; `down` drops
    every connection without an answer; `delay` is in seconds, before each request.
    """

    def __init__(self, journal: Journal, authority: Authority, directory: Path) -> None:
        self.user = "rotator"
        self.administrator = "administrator"
        self.journal = journal
        self.token = secrets.token_urlsafe(24)
        self.administrator_token = secrets.token_urlsafe(24)
        self.kubeconfig = directory / "kubeconfig"
        self.administrator_kubeconfig = directory / "administrator.kubeconfig"
        self.secrets: dict[Key, Document] = {}
        self.namespaces: set[str] = {"default"}
        self.denied: set[str] = set()
        self.access: dict[str, dict[Key, Document]] = {resource: {} for resource in rbac.KINDS}
        self.quota: int | None = None
        self.quota_lags = False
        self.required_labels: set[str] = set()
        self.faults: list[KubernetesFault] = []
        self.down = False
        self.delay = 0.0
        self.history: list[Change] = []
        self.owners: dict[str, fields.Owners] = {}  # by the Secret's uid
        self._authority = authority
        self._server = loopback.Loopback(self._answer, authority.server_context())
        self._version = 100
        self._events: list[WatchEvent] = []
        self._watchers: set[asyncio.Queue[WatchEvent | None]] = set()
        self._still_counted: collections.Counter[str] = collections.Counter()

    @property
    def url(self) -> str:
        """The server's address in the kubeconfig."""
        return self._server.origin

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    @property
    def version(self) -> str:
        """The newest resourceVersion."""
        return str(self._version)

    async def start(self) -> None:
        """Listen, and write the kubeconfigs."""
        await self._server.start()
        for path, user, token in (
            (self.kubeconfig, self.user, self.token),
            (self.administrator_kubeconfig, self.administrator, self.administrator_token),
        ):
            kubeconfig.write(path, self.url, self._authority.ca_path, user, token)

    async def stop(self) -> None:
        """End the watches and stop listening."""
        for watcher in self._watchers:
            watcher.put_nowait(None)
        await self._server.stop()

    def caller(self, token: str) -> str | None:
        """Return the user whose token this is."""
        return {self.token: self.user, self.administrator_token: self.administrator}.get(token)

    def used_quota(self, namespace: str) -> int:
        """Count a namespace's Secrets as the quota does at this moment."""
        if not self.quota_lags:
            self._still_counted.clear()
        return sum(key[0] == namespace for key in list(self.secrets)) + self._still_counted[namespace]

    def persist(self, secret: Document) -> Document:
        """Write a Secret; it gets the next resourceVersion."""
        metadata = secret["metadata"]
        key = (metadata["namespace"], metadata["name"])
        kind = "MODIFIED" if key in self.secrets else "ADDED"
        metadata["resourceVersion"] = self._next_version()
        self.secrets[key] = secret
        self._remember(kind, secret)
        return secret

    def remove(self, key: Key) -> Document:
        """Take a Secret away for good."""
        secret = copy.deepcopy(self.secrets.pop(key))
        secret["metadata"]["resourceVersion"] = self._next_version()
        self.owners.pop(secret["metadata"]["uid"], None)
        if self.quota_lags:
            self._still_counted[key[0]] += 1
        self._remember("DELETED", secret)
        return secret

    def events_after(self, version: int) -> list[WatchEvent]:
        """Return what a watch that starts at a resourceVersion has missed."""
        return [event for event in self._events if event.version > version]

    @contextlib.contextmanager
    def watching(self) -> Iterator[asyncio.Queue[WatchEvent | None]]:
        """Give a queue of the changes from now on; None says that the server stops."""
        queue: asyncio.Queue[WatchEvent | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await http.answer(self, request)

    def _next_version(self) -> str:
        self._version += 1
        return self.version

    def _remember(self, kind: str, secret: Document) -> None:
        metadata = secret["metadata"]
        event = WatchEvent(kind, self._version, copy.deepcopy(secret))
        self._events.append(event)
        self.history.append(Change(kind, metadata["namespace"], metadata["name"], metadata["uid"], time.monotonic()))
        for watcher in self._watchers:
            watcher.put_nowait(event)
