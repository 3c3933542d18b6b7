"""A TCP connection to the first of a host's addresses that answers, tried side by side (after RFC 8305).

An address that leads nowhere (IPv6 without a route, one of several nodes down) so costs a moment, not all the time.
"""

import contextlib
import dataclasses
import errno
import itertools
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rotator.delivery.errors import UnreachableError
from rotator.delivery.ssh import session
from rotator.plan.plan import Cluster

_STAGGER_SECONDS = 0.25  # RFC 8305, section 5: "a recommended value for a default delay is 250 milliseconds"
_MOST_ADDRESSES = 32
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)

# Family, type, protocol, canonical name, address: as socket.getaddrinfo gives them.
Found = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[Found]]


def resolve(host: str, port: int) -> Sequence[Found]:
    """Give the host's addresses in the order of preference of RFC 6724."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(cluster: Cluster, seconds: float, resolve: Resolve = resolve) -> socket.socket:
    """Connect within so many seconds in all, name resolution included; raises UnreachableError."""
    until = time.monotonic() + seconds
    found = _interleaved(_resolved(cluster, seconds, resolve))[:_MOST_ADDRESSES]
    with _Race() as race:
        winner = race.run(found, until)
    if winner is not None:
        return winner
    within = f" within {seconds:g} s" if time.monotonic() >= until else ""
    failures = "; ".join(race.failures) or "it has no address"
    raise UnreachableError(f"{cluster} does not answer{within} ({failures})")


def _resolved(cluster: Cluster, seconds: float, resolve: Resolve) -> Sequence[Found]:
    """Resolve the name in a thread of its own: the resolver has no time-out that a caller could set."""
    found: list[Sequence[Found] | Exception] = []

    def work() -> None:
        try:
            found.append(resolve(cluster.host, cluster.port))
        except (OSError, UnicodeError) as error:  # a label of over 63 characters is no OSError
            found.append(error)

    thread = threading.Thread(target=work, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise UnreachableError(f"the name of {cluster} was not resolved within {seconds:g} s")
    if isinstance(found[0], Exception):
        raise UnreachableError(f"{cluster} has no address ({session.words(found[0])})") from found[0]
    return found[0]


def _interleaved(found: Sequence[Found]) -> list[Found]:
    """Alternate between the families, as a whole one may lead nowhere; the order within each stays."""
    families: dict[Any, list[Found]] = {}
    for each in found:
        families.setdefault(each[0], []).append(each)
    turns = itertools.zip_longest(*families.values())
    return [each for turn in turns for each in turn if each is not None]


@dataclasses.dataclass
class _Race:
    """Attempts at several addresses, each begun a moment after the one before. What has not won is closed."""

    failures: list[str] = dataclasses.field(default_factory=list)
    _waiting: selectors.BaseSelector = dataclasses.field(default_factory=selectors.DefaultSelector)

    def __enter__(self) -> "_Race":
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._waiting.get_map().values()):
            self._close(key)
        self._waiting.close()

    def run(self, found: Sequence[Found], until: float) -> socket.socket | None:
        """Give the first connection, or None when all failed or the time is over."""
        rest = iter(found)
        begin_next = time.monotonic()
        more = True
        while more or self._waiting.get_map():
            now = time.monotonic()
            if now >= until:
                self._expire()
                return None
            if more and (now >= begin_next or not self._waiting.get_map()):
                more = self._begin(rest)
                begin_next = now + _STAGGER_SECONDS
            winner = self._first(min(until, begin_next if more else until) - time.monotonic())
            if winner is not None:
                return winner
        return None

    def _begin(self, rest: Iterator[Found]) -> bool:
        """Begin with the next address; False when there is none."""
        one = next(rest, None)
        if one is None:
            return False
        family, kind, protocol, _, address = one
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(socket.socket(family, kind, protocol))
                connection.setblocking(False)
                code = connection.connect_ex(address)
            except OSError as error:
                self.failures.append(f"{address[0]}: {session.words(error)}")
                return True
            if code not in _IN_PROGRESS:
                self.failures.append(f"{address[0]}: {os.strerror(code)}")
                return True
            self._waiting.register(connection, selectors.EVENT_WRITE, str(address[0]))
            stack.pop_all()
        return True

    def _first(self, seconds: float) -> socket.socket | None:
        """Give a connection that came about within so many seconds."""
        if not self._waiting.get_map():
            return None
        for key, _ in self._waiting.select(max(0.0, seconds)):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)  # noqa: S101  # for the type checker
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                self._waiting.unregister(connection)
                connection.setblocking(True)
                return connection
            self.failures.append(f"{key.data}: {os.strerror(code)}")
            self._close(key)
        return None

    def _expire(self) -> None:
        for key in list(self._waiting.get_map().values()):
            self.failures.append(f"{key.data}: timed out")
            self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._waiting.unregister(key.fileobj)
        with contextlib.suppress(OSError):
            key.fileobj.close()  # type: ignore[union-attr]  # a socket, as registered
