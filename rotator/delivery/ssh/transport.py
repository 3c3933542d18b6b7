"""paramiko's SSH transport layer, hardened against hosts whose key has not been verified yet.

What a host may send before its key is verified is bounded, and recorded for error messages. Only strong algorithms are
offered.
"""

import contextlib
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import MSG_DISCONNECT, MSG_KEXINIT, MSG_USERAUTH_FAILURE
from paramiko.message import Message
from paramiko.packet import Packetizer

from rotator.delivery import remedies
from rotator.delivery.errors import HostKeyRejectedError
from rotator.delivery.ssh import algorithms
from rotator.plan import host_keys
from rotator.plan.plan import Cluster

if TYPE_CHECKING:
    from typing_extensions import Buffer  # typing's own is of Python 3.12

# Bytes: OpenSSH's own bound (PACKET_MAX_SIZE), far above the 35,000 that RFC 4253 section 6.1 requires.
LONGEST_PACKET = 256 * 1024
_LONGEST_LINE = 4096  # bytes; RFC 4253 section 4.2 allows 255 for the version, and sets no limit for lines before it
_LONGEST_QUOTE = 200  # characters
_IDENTIFICATION = b"SSH-"
# paramiko has this key exchange only under its name from before RFC 8731; both names are offered.
_CURVE, _CURVE_BEFORE_RFC = "curve25519-sha256", "curve25519-sha256@libssh.org"
_PARAMIKO: Any = paramiko.Transport  # untyped: the stubs lack the attributes used below


class Packets(Packetizer):
    """Reads packets of a bounded length, and records what the host sent.

    `early_lines` came before its `identification`, `offer` is its KEXINIT message, `login_refused` whether it refused
    a login, `disconnect_reason` the text of its DISCONNECT message, and `closed_by_host` whether the connection ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.early_lines: list[str] = []
        self.identification = ""
        self.offer: algorithms.Offer | None = None
        self.login_refused = False
        self.disconnect_reason = ""
        self.closed_by_host = False

    def start_handshake(self, timeout: float) -> None:
        """Do nothing: the caller has a time-out, and paramiko's timer would keep running after a failed handshake."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read `n` bytes; raises SSHException if a packet may not be that long."""
        if not 0 <= n <= LONGEST_PACKET:
            raise paramiko.SSHException(f"it announces a packet of {n} bytes")
        try:
            data: bytes = super().read_all(n, check_rekey)
        except (EOFError, OSError):
            self.closed_by_host = True
            raise
        return data

    def write_all(self, out: "Buffer") -> None:
        """Write, and record a closed connection."""
        try:
            super().write_all(out)
        except (EOFError, OSError):
            self.closed_by_host = True
            raise

    def readline(self, timeout: float) -> str:  # noqa: ARG002  # the whole handshake has a time-out
        """Read a line of bounded length, which may be the identification; raises SSHException if it is longer."""
        line = bytearray()
        try:
            while not line.endswith(b"\n"):
                if len(line) >= _LONGEST_LINE:
                    raise paramiko.SSHException("its first line has no end")
                line += self.read_all(1)
        finally:
            text = line.decode(errors="replace").rstrip("\r\n")
            if line.startswith(_IDENTIFICATION):
                self.identification = text
            elif text:
                self.early_lines.append(text)
        return text

    def read_message(self) -> tuple[int, Message]:
        """Read a packet, and record KEXINIT, DISCONNECT and USERAUTH_FAILURE."""
        kind, message = super().read_message()
        if kind == MSG_KEXINIT:
            self.offer = algorithms.parse(message.asbytes())
        elif kind == MSG_DISCONNECT:
            self.disconnect_reason = _reason(message.asbytes())
        elif kind == MSG_USERAUTH_FAILURE:
            self.login_refused = True
        return kind, message


class Transport(paramiko.Transport):
    """One SSH connection; `close()` closes it in any state. A host key of a later key exchange must be pinned, too."""

    packetizer: Packets
    _kex_info = _PARAMIKO._kex_info | {
        new: _PARAMIKO._kex_info[old] for new, old in [(_CURVE, _CURVE_BEFORE_RFC)] if old in _PARAMIKO._kex_info
    }

    def __init__(self, connection: socket.socket, key_types: Sequence[str], cluster: Cluster) -> None:
        super().__init__(_PromptSocket(connection), packetizer_class=Packets)
        self._cluster = cluster
        _harden(self, key_types)

    @property
    def own_offer(self) -> algorithms.Offer:
        """The algorithms that this side offers."""
        return algorithms.Offer(
            kex=tuple(self.preferred_kex),
            host_keys=tuple(self.preferred_keys),
            ciphers=tuple(self.preferred_ciphers),
            macs=tuple(self.preferred_macs),
            compressions=tuple(self.preferred_compression),
        )

    def remote_host_key(self) -> host_keys.HostKey:
        """The host's key; raises SSHException before the exchange of keys."""
        key = self.get_remote_server_key()
        return host_keys.HostKey(key.get_name(), key.asbytes())

    @property
    def key_type(self) -> str:
        """The type of host key that was negotiated."""
        agreed = [kind for kind, names in host_keys.ALGORITHMS.items() if self.host_key_type in names]
        return agreed[0] if agreed else self.remote_host_key().key_type

    def offers(self, key_type: str) -> bool:
        """Whether the host offers a key of that type."""
        offer = self.packetizer.offer
        return offer is None or any(name in offer.host_keys for name in host_keys.ALGORITHMS[key_type])

    def close(self) -> None:
        """Close the connection, even if paramiko's thread was never started or has ended."""
        super().close()
        self.sock.close()

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]  # left out of the stubs
        if self.initial_kex_done and self.host_key is not None:
            shown = host_keys.HostKey(self.host_key.get_name(), self.host_key.asbytes())
            if not host_keys.is_pinned(shown, self._cluster.fingerprints):
                raise HostKeyRejectedError(
                    f"the host changed its key to {shown} in the middle of the connection, which was closed",
                    remedy=remedies.host_replaced(self._cluster),
                )


class _PromptSocket(socket.socket):
    """A socket without Nagle's algorithm and delayed acknowledgements, which cost about 40 ms at each small exchange.

    Linux resets TCP_QUICKACK (tcp(7)), so it is set again after each read.
    """

    def __init__(self, connection: socket.socket) -> None:
        seconds = connection.gettimeout()
        super().__init__(fileno=connection.detach())
        self.settimeout(seconds)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._quick = getattr(socket, "TCP_QUICKACK", None)

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if self._quick is not None:
            with contextlib.suppress(OSError):  # the socket may be closed
                self.setsockopt(socket.IPPROTO_TCP, self._quick, 1)
        return data


def quote(text: str) -> str:
    """Return what a host sent, in one line of bounded length, without terminal control characters."""
    words = " ".join("".join(each if each.isprintable() else " " for each in text[: 2 * _LONGEST_QUOTE]).split())
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}…"


def _harden(transport: paramiko.Transport, key_types: Sequence[str]) -> None:
    """Offer only these host key types, and none of the weak algorithms that paramiko keeps for old servers."""
    options: Any = transport.get_security_options()
    options.key_types = [name for kind in key_types for name in host_keys.ALGORITHMS[kind]]
    options.ciphers = [name for name in options.ciphers if "cbc" not in name and "arcfour" not in name]
    options.digests = [name for name in options.digests if name.startswith("hmac-sha2-")]
    names = [_CURVE, _CURVE_BEFORE_RFC] if _CURVE_BEFORE_RFC in options.kex else []
    kex = [name for name in options.kex if not name.endswith("sha1")]
    at = kex.index(_CURVE_BEFORE_RFC) if names else 0
    options.kex = [*kex[:at], *names, *(name for name in kex[at:] if name not in names)]


def _reason(body: bytes) -> str:
    """The description in a DISCONNECT message (RFC 4253 section 11.1)."""
    length = int.from_bytes(body[4:8], "big")
    return quote(body[8 : 8 + min(length, LONGEST_PACKET)].decode(errors="replace"))
