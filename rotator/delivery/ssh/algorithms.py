"""What two sides of an SSH connection can agree on: a KEXINIT message, and what it lacks (RFC 4253, section 7.1)."""

import dataclasses
from collections.abc import Sequence

_COOKIE = 16
_LENGTH = 4
_LISTS = 8  # those of languages, which follow, are of no interest
_MOST_SHOWN = 8
# Names in the list of key exchanges that stand for extensions of the protocol (RFC 8308; OpenSSH's PROTOCOL).
_EXTENSIONS = ("ext-info-", "kex-strict-")


@dataclasses.dataclass(frozen=True)
class Offer:
    """The algorithms that one side offers, each list in its order of preference."""

    kex: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    compressions: tuple[str, ...] = ("none",)


@dataclasses.dataclass(frozen=True)
class MissingAlgorithm:
    """A list without a common algorithm: what it is for, sshd's directive, what we know, and what the host offers."""

    use: str
    directive: str
    known: tuple[str, ...]
    offered: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.offered[:_MOST_SHOWN]) or "nothing"
        more = ", …" if len(self.offered) > _MOST_SHOWN else ""
        return f"{self.use} (it offers {shown}{more})"


def parse(body: bytes) -> Offer:
    """Read a KEXINIT message without its type byte; raises ValueError.

    Of a list for each direction, only what stands in both is taken.
    """
    lists, rest = [], body[_COOKIE:]
    for _ in range(_LISTS):
        length, rest = int.from_bytes(rest[:_LENGTH], "big"), rest[_LENGTH:]
        if length > len(rest):
            raise ValueError("a list of algorithms is cut off")
        text, rest = rest[:length].decode("ascii"), rest[length:]
        lists.append(tuple(name for name in text.split(",") if name and not name.startswith(_EXTENSIONS)))
    kex, host_keys = lists[:2]
    ciphers, macs, compressions = (_both(*lists[at : at + 2]) for at in (2, 4, 6))
    return Offer(kex, host_keys, ciphers, macs, compressions)


def lacks(ours: Offer, theirs: Offer) -> tuple[MissingAlgorithm, ...]:
    """Name each list in which the two have nothing in common."""
    lists = (
        ("the key exchange", "KexAlgorithms", ours.kex, theirs.kex),
        ("the host key", "HostKeyAlgorithms", ours.host_keys, theirs.host_keys),
        ("the cipher", "Ciphers", ours.ciphers, theirs.ciphers),
        ("the MAC", "MACs", ours.macs, theirs.macs),
        ("compression", "Compression", ours.compressions, theirs.compressions),
    )
    return tuple(MissingAlgorithm(*each) for each in lists if not set(each[2]) & set(each[3]))


def remedy(lacking: Sequence[MissingAlgorithm]) -> str:
    """Say what to add to which of sshd's directives."""
    return (
        f"On the master, {'; '.join(map(_addition, lacking))}. `sshd -T` prints what is in force. Then reload sshd. "
        "A server other than OpenSSH has settings of its own for the same names."
    )


def _addition(lack: MissingAlgorithm) -> str:
    if lack.directive == "Compression":
        return "let sshd_config have `Compression no` or `Compression delayed`"
    # The certificate forms of host key algorithms are of no use without an authority.
    names = [name for name in lack.known if "-cert-" not in name]
    added = f"add one of these to `{lack.directive}` in sshd_config: {', '.join(names)}"
    if lack.directive == "HostKeyAlgorithms":
        return f"make host keys that are not there (`ssh-keygen -A`) and {added}"
    return added


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in one if name in other)
