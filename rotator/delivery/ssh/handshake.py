"""The SSH handshake up to the exchange of keys: retries dropped connections, and explains why one failed."""

import dataclasses
import logging
import re
import time
from collections.abc import Callable, Sequence

from rotator.delivery.errors import NoHostKeyError, TimedOutError, UnreachableError
from rotator.delivery.ssh import algorithms, session, tcp
from rotator.delivery.ssh.transport import Packets, Transport, quote
from rotator.plan.plan import Cluster

logger = logging.getLogger(__name__)

# What servers send when they refuse connections for now: OpenSSH (MaxStartups; from 9.8 PerSourcePenalties) and others.
_REFUSAL = re.compile(r"(?i)maxstartups|not allowed|too many|try again|refused|blocked|banned|denied|exceeded|busy")
_PENALTY = re.compile(r"(?i)not allowed at this time")
_PENALTY_REMEDY = (
    "Wait some minutes. sshd refuses connections from this address because of earlier ones without a login "
    "(PerSourcePenalties); its log on the master says whose. Exempt this network in sshd_config, for example with "
    "`PerSourcePenaltyExemptList 10.0.0.0/8`."
)


@dataclasses.dataclass(frozen=True)
class Timeouts:
    """How long each step may take, and how long to wait before a dropped connection is retried; in seconds.

    `penalty_delay` is for OpenSSH's PerSourcePenalties, of which the shortest is 15 s (`min:15` in sshd_config(5)).
    """

    connect: float = 10.0
    handshake: float = 15.0
    authenticate: float = 15.0
    retry_delay: float = 2.0
    penalty_delay: float = 15.0


class _DroppedError(Exception):
    """The host closed the connection before the exchange of keys, as under load; `error` is raised if it does again."""

    def __init__(self, error: UnreachableError, delay: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.delay = delay


class Handshakes:
    """Connects to hosts, and exchanges keys with them."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        sleep: Callable[[float], None] = time.sleep,
        resolve: tcp.Resolve = tcp.resolve,
    ) -> None:
        self._timeouts = timeouts
        self._sleep = sleep
        self._resolve = resolve

    def exchange(self, cluster: Cluster, key_types: Sequence[str]) -> Transport:
        """Connect, and exchange keys. Retried once, after a delay, if the host drops the connection.

        Raises UnreachableError, NoHostKeyError if the host has no key of these types, and TimedOutError.
        """
        try:
            return self._attempt(cluster, key_types)
        except _DroppedError as dropped:
            logger.warning("%s: trying once more in %g s", dropped, dropped.delay)
            self._sleep(dropped.delay)
        try:
            return self._attempt(cluster, key_types)
        except _DroppedError as dropped:
            raise dropped.error from dropped.__cause__

    def _attempt(self, cluster: Cluster, key_types: Sequence[str]) -> Transport:
        connection = tcp.connect(cluster, self._timeouts.connect, self._resolve)
        try:
            transport = Transport(connection, key_types, cluster)
        except BaseException:
            connection.close()
            raise
        with session.Timeout(transport, self._timeouts.handshake, f"the SSH handshake with {cluster}") as timeout:
            try:
                # Without paramiko's own time-out, after which start_client would return without a key.
                transport.start_client()
                transport.remote_host_key()
            except Exception as error:
                transport.close()
                _check_timeout(timeout, transport, error)
                raise self._explain(cluster, transport, error) from error
            except BaseException:
                transport.close()
                raise
        timeout.check(None)
        return transport

    def _explain(self, cluster: Cluster, transport: Transport, error: Exception) -> Exception:
        """The error to raise. paramiko's own may be of any kind, so what the host sent decides."""
        packets = transport.packetizer
        if not packets.identification:
            return self._explain_unidentified(cluster, packets)
        missing = algorithms.find_missing(transport.own_offer, packets.offer) if packets.offer else ()
        if missing:
            only_host_key = [each.directive for each in missing] == ["HostKeyAlgorithms"]
            return (NoHostKeyError if only_host_key else UnreachableError)(
                f"{cluster} and this client have no strong algorithm in common for {' and '.join(map(str, missing))}",
                remedy=algorithms.remedy(missing),
            )
        closed = "it closed the connection" if packets.closed_by_host else session.error_text(error)
        failed = UnreachableError(
            f"the SSH handshake with {cluster} ({quote(packets.identification)}) failed: "
            f"{quote(packets.disconnect_reason or closed)}",
            remedy="Read the log of its SSH server.",
        )
        dropped = packets.closed_by_host and packets.offer is None
        return _DroppedError(failed, self._timeouts.retry_delay) if dropped else failed

    def _explain_unidentified(self, cluster: Cluster, packets: Packets) -> Exception:
        """The error to raise if the host did not identify itself as an SSH server."""
        text = _early_text(packets)
        if _REFUSAL.search(text):
            penalty = bool(_PENALTY.search(text))
            refused = UnreachableError(
                f"{cluster} refuses connections for now: it says {text!r}",
                remedy=_PENALTY_REMEDY if penalty else _load_remedy(cluster),
            )
            return _DroppedError(refused, self._timeouts.penalty_delay if penalty else self._timeouts.retry_delay)
        reason = f"it says {text!r}" if text else "it closes the connection without a word"
        failed = UnreachableError(f"{cluster} does not talk SSH: {reason}", remedy=_load_remedy(cluster))
        return _DroppedError(failed, self._timeouts.retry_delay) if packets.closed_by_host else failed


def _load_remedy(cluster: Cluster) -> str:
    return (
        f"Check that {cluster.origin('host')} and {cluster.origin('port')} lead to sshd. If they do, it was "
        "overloaded, or refuses this address: read its log on the master for MaxStartups and penalties, and check "
        "fail2ban or hosts.deny if there is one."
    )


def _check_timeout(timeout: session.Timeout, transport: Transport, error: Exception) -> None:
    """Raise TimedOutError, with what the host sent, if it was the time-out that ended the handshake."""
    try:
        timeout.check(error)
    except TimedOutError as late:
        text = _early_text(transport.packetizer)
        raise (TimedOutError(f"{late}; it says {text!r}") if text else late) from error


def _early_text(packets: Packets) -> str:
    """What the host sent before its identification (RFC 4253 section 4.2), quoted in one line."""
    return quote(" / ".join(packets.early_lines))
