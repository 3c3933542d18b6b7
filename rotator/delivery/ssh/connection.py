"""SSH connections to masters, with paramiko: the host key is verified before a login, and every step has a time-out."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import paramiko

from rotator.delivery import remedies
from rotator.delivery.errors import (
    AuthenticationRejectedError,
    ConnectionLostError,
    HostKeyRejectedError,
    NoHostKeyError,
    SecondFactorError,
    SshError,
    TimedOutError,
)
from rotator.delivery.interface import SecretStore
from rotator.delivery.ssh import handshake, private_key, session, tcp
from rotator.delivery.ssh.channel import SshChannel
from rotator.delivery.ssh.transport import Transport, quote
from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText
from rotator.stopwatch import Step, Stopwatch


class SshConnector:
    """Opens connections to masters. `resolve` returns a host's addresses, as socket.getaddrinfo does."""

    def __init__(
        self,
        timeouts: handshake.Timeouts | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        resolve: tcp.Resolve = tcp.resolve,
    ) -> None:
        self._timeouts = timeouts or handshake.Timeouts()
        self._handshakes = handshake.Handshakes(self._timeouts, sleep=sleep, resolve=resolve)

    @contextlib.contextmanager
    def connect(self, cluster: Cluster, secrets: SecretStore, stopwatch: Stopwatch) -> Iterator[SshChannel]:
        """Read the SSH key, connect to the host if its key is pinned, and log in. See `Connector`."""
        with stopwatch.step(Step.VAULT):
            key = secrets.secret(cluster.key_secret)
            passphrase = secrets.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        with contextlib.ExitStack() as stack:
            with stopwatch.step(Step.CONNECT):
                shell = stack.enter_context(self.open_shell(cluster, key, passphrase))
            yield SshChannel(shell)

    @contextlib.contextmanager
    def open_shell(self, cluster: Cluster, key: SecretText, passphrase: SecretText | None) -> Iterator[session.Session]:
        """Connect to the host if its key is pinned, and log in; raises SshError."""
        signing_key = private_key.load(key, passphrase, cluster.origin("passphrase_secret"))
        with contextlib.closing(self.open_verified(cluster)) as transport:
            yield self.login(transport, cluster, signing_key)

    def verify_host(self, cluster: Cluster) -> "tuple[tuple[host_keys.HostKey, ...], VerifiedConnection | None]":
        """Return the host keys that were seen until one was pinned, and the connection with that one, without login.

        The connection is None if no key is pinned. Raises SshError if the host shows no key at all.
        """
        scan = _HostKeyScan(self._handshakes, cluster)
        for key, transport in scan.keys(_pinned_first(cluster)):
            if host_keys.is_pinned(key, cluster.fingerprints):
                return tuple(scan.found), VerifiedConnection(self, cluster, transport)
            transport.close()
        return scan.strongest_first(), None

    def scan_host_keys(self, cluster: Cluster) -> tuple[host_keys.HostKey, ...]:
        """Return all of the host's keys, the strongest type first, as ssh-keyscan does; raises SshError."""
        scan = _HostKeyScan(self._handshakes, cluster)
        for _, transport in scan.keys(list(host_keys.ALGORITHMS)):
            transport.close()
        return scan.strongest_first()

    def open_verified(self, cluster: Cluster) -> Transport:
        """Connect to the host if its key is pinned, without login. For a pin without a type, each type is requested.

        Raises HostKeyRejectedError if the host shows other keys, even if connections for further types fail.
        """
        scan = _HostKeyScan(self._handshakes, cluster)
        try:
            for key, transport in scan.keys(_pinned_first(cluster), only=_pinned_types(cluster)):
                if host_keys.is_pinned(key, cluster.fingerprints):
                    return transport
                transport.close()
        except NoHostKeyError as error:
            raise _host_key_rejected(cluster, f"{error}; pinned is", error.remedy) from error
        found = ", ".join(map(str, scan.found))
        problems = f" ({'; '.join(scan.problems)})" if scan.problems else ""
        raise _host_key_rejected(
            cluster, f"{cluster} shows {found}{problems}, but pinned is", remedies.host_replaced(cluster)
        )

    def login(self, transport: Transport, cluster: Cluster, key: paramiko.PKey) -> session.Session:
        """Log in on a connection to a verified host.

        Raises AuthenticationRejectedError, SecondFactorError, ConnectionLostError or TimedOutError.
        """
        seconds = self._timeouts.authenticate
        transport.auth_timeout = 2 * seconds  # later than our own time-out, whose error says what took so long
        with session.Timeout(transport, seconds, f"authentication on {cluster}") as timeout:
            try:
                more = transport.auth_publickey(cluster.user, key)
            except SshError:
                raise
            except Exception as error:  # paramiko raises errors of many kinds about what a host sends
                timeout.check(error)
                raise _login_error(cluster, key, transport, error) from error
        timeout.check(None)
        if more:
            raise _second_factor_error(cluster, key, more)
        return session.Session(transport, cluster)


class VerifiedConnection:
    """A connection to a host whose key is pinned, on which nobody has logged in yet."""

    def __init__(self, connector: SshConnector, cluster: Cluster, transport: Transport) -> None:
        self._connector = connector
        self._cluster = cluster
        self._transport = transport

    @contextlib.contextmanager
    def login(self, key: SecretText, passphrase: SecretText | None) -> Iterator[session.Session]:
        """Log in, on a new connection if the host closed this one meanwhile (LoginGraceTime); raises SshError."""
        signing_key = private_key.load(key, passphrase, self._cluster.origin("passphrase_secret"))
        if not self._transport.is_active():
            self._transport = self._connector.open_verified(self._cluster)
        with contextlib.closing(self):
            yield self._connector.login(self._transport, self._cluster, signing_key)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


class _HostKeyScan:
    """Finds a host's keys with as few connections as possible, because sshd penalises connections without a login.

    Each connection shows one key. The first accepts any type, so that every server completes it; the server's own list
    says which other types it has. `found` are the keys so far, and `problems` says why others were not shown.
    """

    def __init__(self, handshakes: handshake.Handshakes, cluster: Cluster) -> None:
        self._handshakes = handshakes
        self._cluster = cluster
        self.found: list[host_keys.HostKey] = []
        self.problems: list[str] = []

    def keys(
        self, order: Sequence[str], only: Sequence[str] = tuple(host_keys.ALGORITHMS)
    ) -> Iterator[tuple[host_keys.HostKey, Transport]]:
        """Yield each key with its open connection: first one of any type, `order` by preference, then those of `only`.

        Raises SshError if the first connection fails; an error of a later one becomes one of the `problems`.
        """
        first = self._handshakes.exchange(self._cluster, order)
        yield self._add(first), first
        for kind in [kind for kind in order if kind in only and kind != first.key_type and first.offers(kind)]:
            try:
                another = self._handshakes.exchange(self._cluster, [kind])
            except SshError as error:
                self.problems.append(f"its {kind} key was not shown: {error}")
                if isinstance(error, TimedOutError):
                    return
                continue
            yield self._add(another), another

    def strongest_first(self) -> tuple[host_keys.HostKey, ...]:
        """The keys that were found, in the order of their types."""
        types = list(host_keys.ALGORITHMS)
        return tuple(sorted(self.found, key=lambda key: types.index(key.key_type)))

    def _add(self, transport: Transport) -> host_keys.HostKey:
        key = transport.remote_host_key()
        self.found.append(key)
        return key


def _pinned_types(cluster: Cluster) -> list[str]:
    """The types that a pinned key may have, the strongest first."""
    types = {pin.key_type for pin in cluster.fingerprints}
    return [name for name in host_keys.ALGORITHMS if name in types or None in types]


def _pinned_first(cluster: Cluster) -> list[str]:
    return list(dict.fromkeys([*_pinned_types(cluster), *host_keys.ALGORITHMS]))


def _host_key_rejected(cluster: Cluster, reason: str, remedy: str) -> HostKeyRejectedError:
    pinned = ", ".join(map(str, cluster.fingerprints))
    return HostKeyRejectedError(f"{reason} {pinned}; nothing was sent to it", remedy=remedy)


def _login_error(cluster: Cluster, key: paramiko.PKey, transport: Transport, error: Exception) -> SshError:
    packets = transport.packetizer
    if packets.closed_by_host and not packets.login_refused and not packets.disconnect_reason:
        return ConnectionLostError(
            f"{cluster} closed the connection while it checked the key {key.get_name()} {key.fingerprint}",
            remedy="The next run tries again. If it fails too, read the log of the master's SSH server.",
        )
    reason = quote(packets.disconnect_reason or session.error_text(error))
    if isinstance(error, paramiko.BadAuthenticationType):
        return AuthenticationRejectedError(
            f"{cluster} does not accept keys from this user, only {quote(', '.join(error.allowed_types))}",
            remedy="In sshd_config on the master, set `PubkeyAuthentication yes`, and AuthenticationMethods for this "
            "user to `publickey` or `any`.",
        )
    return AuthenticationRejectedError(
        f"{cluster} does not accept the key {key.get_name()} {key.fingerprint}: {reason}",
        remedy=f"Check {cluster.origin('user')}, and that this key is in the user's authorized_keys on the master.",
    )


def _second_factor_error(cluster: Cluster, key: paramiko.PKey, more: Sequence[str]) -> SecondFactorError:
    return SecondFactorError(
        f"{cluster} accepts the key {key.get_name()} {key.fingerprint}, but also asks for {quote(', '.join(more))}",
        remedy="The key is right. Exempt this user from the second factor with these lines at the end of sshd_config "
        f"on the master: `Match User {cluster.user}` and `AuthenticationMethods publickey`. Then reload sshd.",
    )
