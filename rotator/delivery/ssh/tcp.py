"""TCP connections: tries a host's addresses in parallel, and takes the first that answers (after RFC 8305).

So an address that does not answer (IPv6 without a route, a node that is down) delays a connection only briefly.
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

from rotator.delivery import remedies
from rotator.delivery.errors import UnreachableError
from rotator.delivery.ssh import session
from rotator.plan.plan import Cluster

_STAGGER_SECONDS = 0.25  # RFC 8305, section 5: "a recommended value for a default delay is 250 milliseconds"
_MOST_ADDRESSES = 32
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)

# Family, type, protocol, canonical name, address, as socket.getaddrinfo returns them.
AddressInfo = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[AddressInfo]]


def resolve(host: str, port: int) -> Sequence[AddressInfo]:
    """The host's addresses, in RFC 6724's order of preference."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(cluster: Cluster, seconds: float, resolve: Resolve = resolve) -> socket.socket:
    """Connect within so many seconds in all, name resolution included; raises UnreachableError."""
    until = time.monotonic() + seconds
    addresses = _interleave(_resolve_within(cluster, seconds, resolve))[:_MOST_ADDRESSES]
    with _ConnectionAttempts() as attempts:
        connection = attempts.run(addresses, until)
    if connection is not None:
        return connection
    within = f" within {seconds:g} s" if time.monotonic() >= until else ""
    failures = "; ".join(attempts.failures) or "it has no address"
    raise UnreachableError(f"{cluster} does not answer{within} ({failures})", remedy=remedies.unreachable(cluster))


def _resolve_within(cluster: Cluster, seconds: float, resolve: Resolve) -> Sequence[AddressInfo]:
    """Resolve the name in a thread, as the resolver has no time-out that a caller could set."""
    results: list[Sequence[AddressInfo] | Exception] = []

    def work() -> None:
        try:
            results.append(resolve(cluster.host, cluster.port))
        except (OSError, UnicodeError) as error:  # a label of over 63 characters raises UnicodeError
            results.append(error)

    thread = threading.Thread(target=work, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        text = f"the name of {cluster} was not resolved within {seconds:g} s"
        raise UnreachableError(text, remedy=remedies.unreachable(cluster))
    if isinstance(results[0], Exception):
        text = f"{cluster} has no address ({session.error_text(results[0])})"
        raise UnreachableError(text, remedy=remedies.unreachable(cluster)) from results[0]
    return results[0]


def _interleave(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Alternate between address families, as one of them may not be routed; keep the order within each (RFC 8305)."""
    families: dict[Any, list[AddressInfo]] = {}
    for each in addresses:
        families.setdefault(each[0], []).append(each)
    rounds = itertools.zip_longest(*families.values())
    return [each for one in rounds for each in one if each is not None]


@dataclasses.dataclass
class _ConnectionAttempts:
    """Attempts to connect to several addresses, each started 250 ms after the one before. On exit all are closed.

    `failures` says why addresses failed.
    """

    failures: list[str] = dataclasses.field(default_factory=list)
    _pending: selectors.BaseSelector = dataclasses.field(default_factory=selectors.DefaultSelector)

    def __enter__(self) -> "_ConnectionAttempts":
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._pending.get_map().values()):
            self._close(key)
        self._pending.close()

    def run(self, addresses: Sequence[AddressInfo], until: float) -> socket.socket | None:
        """Return the first connection, or None when all failed or it is `until`, on time.monotonic()'s clock."""
        rest = iter(addresses)
        start_next = time.monotonic()
        more = True
        while more or self._pending.get_map():
            now = time.monotonic()
            if now >= until:
                self._expire()
                return None
            if more and (now >= start_next or not self._pending.get_map()):
                more = self._start(rest)
                start_next = now + _STAGGER_SECONDS
            connection = self._wait(min(until, start_next if more else until) - time.monotonic())
            if connection is not None:
                return connection
        return None

    def _start(self, rest: Iterator[AddressInfo]) -> bool:
        """Start to connect to the next address; False if there is none."""
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
                self.failures.append(f"{address[0]}: {session.error_text(error)}")
                return True
            if code not in _IN_PROGRESS:
                self.failures.append(f"{address[0]}: {os.strerror(code)}")
                return True
            self._pending.register(connection, selectors.EVENT_WRITE, str(address[0]))
            stack.pop_all()
        return True

    def _wait(self, seconds: float) -> socket.socket | None:
        """Return a connection that is established within so many seconds, or None."""
        if not self._pending.get_map():
            return None
        for key, _ in self._pending.select(max(0.0, seconds)):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)  # noqa: S101  # for the type checker
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                self._pending.unregister(connection)
                connection.setblocking(True)
                return connection
            self.failures.append(f"{key.data}: {os.strerror(code)}")
            self._close(key)
        return None

    def _expire(self) -> None:
        for key in list(self._pending.get_map().values()):
            self.failures.append(f"{key.data}: timed out")
            self._close(key)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._pending.unregister(key.fileobj)
        with contextlib.suppress(OSError):
            key.fileobj.close()  # type: ignore[union-attr]  # a socket, as registered
