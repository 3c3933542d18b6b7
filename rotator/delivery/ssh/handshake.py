"""A connection on which keys were exchanged and nothing else: what is wrong with one that does not come about."""

import dataclasses
import logging
import re
import time
from collections.abc import Callable, Sequence

from rotator.delivery.errors import NoHostKeyError, TimedOutError, UnreachableError
from rotator.delivery.ssh import algorithms, session, tcp, transport
from rotator.delivery.ssh.transport import Transport, quote
from rotator.plan.plan import Cluster

logger = logging.getLogger(__name__)

# What servers say when they take no connection for now: OpenSSH (MaxStartups; PerSourcePenalties since 9.8) and others.
_REFUSAL = re.compile(r"(?i)maxstartups|not allowed|too many|try again|refused|blocked|banned|denied|exceeded|busy")
_PENALTY = re.compile(r"(?i)not allowed at this time")
_PENALTY_REMEDY = (
    "Wait some minutes. sshd takes no connections from this address because of earlier ones without a login "
    "(PerSourcePenalties): its log on the master says whose. Exempt this network there, e.g. "
    "`PerSourcePenaltyExemptList 10.0.0.0/8` in sshd_config."
)
_LOAD_REMEDY = (
    "Check that KUBERNETES_DNS and KUBERNETES_SSH_PORT lead to sshd. If they do, it was overloaded, or refuses this "
    "address: see its log on the master for MaxStartups and penalties, and fail2ban or hosts.deny where there is one."
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long each step may take, in seconds; and how long to wait before a connection that was dropped is repeated.

    `penalty` is OpenSSH's shortest (PerSourcePenalties min:15).
    """

    connect: float = 10.0
    handshake: float = 15.0
    authenticate: float = 15.0
    pause: float = 2.0
    penalty: float = 15.0


class _DroppedError(Exception):
    """The host closed the connection before it exchanged keys, as it does for load; `error` says so."""

    def __init__(self, error: UnreachableError, pause: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause = pause


class Handshakes:
    """Connects to hosts, and exchanges keys with them."""

    def __init__(
        self,
        limits: Limits,
        *,
        sleep: Callable[[float], None] = time.sleep,
        resolve: tcp.Resolve = tcp.resolve,
    ) -> None:
        self.limits = limits
        self._sleep = sleep
        self._resolve = resolve

    def exchange(self, cluster: Cluster, key_types: Sequence[str]) -> Transport:
        """Connect, and exchange keys; once more after a pause if the host drops the connection.

        Raises UnreachableError, NoHostKeyError if the host has no key of these types, and TimedOutError.
        """
        try:
            return self._once(cluster, key_types)
        except _DroppedError as dropped:
            logger.warning("%s: trying once more in %g s", dropped, dropped.pause)
            self._sleep(dropped.pause)
        try:
            return self._once(cluster, key_types)
        except _DroppedError as dropped:
            raise dropped.error from dropped.__cause__

    def _once(self, cluster: Cluster, key_types: Sequence[str]) -> Transport:
        connection = tcp.connect(cluster, self.limits.connect, self._resolve)
        try:
            made = Transport(connection, key_types, cluster.pins)
        except BaseException:
            connection.close()
            raise
        with session.Limit(made, self.limits.handshake, f"the SSH handshake with {cluster}") as limit:
            try:
                # Without a time-out of its own, which would end in a connection without a key.
                made.start_client()
                made.shown()
            except Exception as error:
                made.close()
                _check(limit, made, error)
                raise self._explained(cluster, made, error) from error
            except BaseException:
                made.close()
                raise
        limit.check(None)
        return made

    def _explained(self, cluster: Cluster, made: Transport, error: Exception) -> Exception:
        """Say what went wrong. paramiko raises whatever it stumbles over in what a host sends."""
        packets = made.packetizer
        if not packets.identification:
            return self._unidentified(cluster, packets)
        lacking = algorithms.lacks(made.ours, packets.offer) if packets.offer else ()
        if lacking:
            only_host_key = [each.directive for each in lacking] == ["HostKeyAlgorithms"]
            return (NoHostKeyError if only_host_key else UnreachableError)(
                f"{cluster} and this client have no strong algorithm in common for {' and '.join(map(str, lacking))}",
                remedy=algorithms.remedy(lacking),
            )
        why = quote(packets.parting or ("it closed the connection" if packets.ended else session.words(error)))
        told = UnreachableError(
            f"the SSH handshake with {cluster} ({quote(packets.identification)}) failed: {why}",
            remedy="See the log of its SSH server for why.",
        )
        return _DroppedError(told, self.limits.pause) if packets.ended and packets.offer is None else told

    def _unidentified(self, cluster: Cluster, packets: transport.Packets) -> Exception:
        """Say what came in place of an SSH server's identification."""
        words = _words(packets)
        if _REFUSAL.search(words):
            penalty = bool(_PENALTY.search(words))
            refused = UnreachableError(
                f"{cluster} takes no connection now: it says {words!r}",
                remedy=_PENALTY_REMEDY if penalty else _LOAD_REMEDY,
            )
            return _DroppedError(refused, self.limits.penalty if penalty else self.limits.pause)
        said = f"it says {words!r}" if words else "it closes the connection without a word"
        told = UnreachableError(f"{cluster} does not talk SSH: {said}", remedy=_LOAD_REMEDY)
        return _DroppedError(told, self.limits.pause) if packets.ended else told


def _check(limit: session.Limit, made: Transport, error: Exception) -> None:
    """Raise TimedOutError with what the host said, if it was the limit that ended the handshake."""
    try:
        limit.check(error)
    except TimedOutError as late:
        words = _words(made.packetizer)
        raise (TimedOutError(f"{late}; it says {words!r}") if words else late) from error


def _words(packets: transport.Packets) -> str:
    """Quote what came before the host's identification."""
    return quote(" / ".join(packets.lines))
