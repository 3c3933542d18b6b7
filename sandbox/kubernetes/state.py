"""What a Kubernetes API knows: Secrets, Namespaces, roles and their history, and what tests change about it."""

import asyncio
import collections
import contextlib
import copy
import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.kubernetes import fields
from sandbox.kubernetes.refusals import Document
from sandbox.server.journal import Journal

Key = tuple[str, str]  # namespace and name
ACCESS_KINDS = {"roles": "Role", "rolebindings": "RoleBinding"}  # by resource


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
    """One persisted change, as a watch shows it; `at` is time.monotonic()."""

    type: str
    namespace: str
    name: str
    uid: str
    at: float


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    """A change with the Secret as it was then (for a deletion: as it last was)."""

    type: str
    version: int
    secret: Document


class KubernetesApi:
    """`secrets` holds each Secret as the API shows it, `history` every persisted change.

    The kubeconfigs are there once the API is served. Tests change what follows:

    - `denied`: verbs that RBAC refuses to `user` on Secrets, or on another resource as in "get namespaces", until a
      role is bound that grants them. `access` has roles and bindings, by resource; only the administrator writes them,
      who has a kubeconfig of their own and is refused nothing.
    - `quota`: count/secrets per namespace. With `quota_lags` a deleted Secret still counts, as until the real quota
      controller catches up.
    - `required_labels`: those without which an admission webhook lets no Secret be written.
    - `faults` are used up in order. `down`: every connection is dropped without an answer. `delay`: seconds before
      each request.
    """

    def __init__(self, journal: Journal, directory: Path) -> None:
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
        self.access: dict[str, dict[Key, Document]] = {resource: {} for resource in ACCESS_KINDS}
        self.quota: int | None = None
        self.quota_lags = False
        self.required_labels: set[str] = set()
        self.faults: list[KubernetesFault] = []
        self.down = False
        self.delay = 0.0
        self.history: list[Change] = []
        self.owners: dict[str, fields.Owners] = {}  # by the Secret's uid
        self._version = 100
        self._events: list[WatchEvent] = []
        self._watchers: set[asyncio.Queue[WatchEvent | None]] = set()
        self._still_counted: collections.Counter[str] = collections.Counter()

    @property
    def version(self) -> str:
        """The newest resourceVersion."""
        return str(self._version)

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
        """Yield a queue of the changes from now on; None in it means that the server stops."""
        queue: asyncio.Queue[WatchEvent | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    def end_watches(self) -> None:
        """End every watch, as a server does that stops."""
        for watcher in self._watchers:
            watcher.put_nowait(None)

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
