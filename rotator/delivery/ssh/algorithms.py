"""SSH algorithms: parses the host's offer (KEXINIT, RFC 4253 section 7.1), and finds what both sides do not share."""

import dataclasses
from collections.abc import Sequence

_COOKIE = 16  # bytes
_LENGTH = 4  # bytes
_LISTS = 8  # the lists of languages, which follow, are ignored
_MOST_SHOWN = 8
# Names in the list of key exchanges that are extensions of the protocol (RFC 8308; OpenSSH's PROTOCOL).
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
    """A use for which both sides share no algorithm, with sshd's directive, and what each side offers."""

    use: str
    directive: str
    ours: tuple[str, ...]
    offered: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.offered[:_MOST_SHOWN]) or "nothing"
        more = ", …" if len(self.offered) > _MOST_SHOWN else ""
        return f"{self.use} (it offers {shown}{more})"


def parse(body: bytes) -> Offer:
    """Parse a KEXINIT message without its type byte; raises ValueError.

    Of an algorithm that is offered for each direction separately, only what both directions have is returned.
    """
    lists, rest = [], body[_COOKIE:]
    for _ in range(_LISTS):
        length, rest = int.from_bytes(rest[:_LENGTH], "big"), rest[_LENGTH:]
        if length > len(rest):
            raise ValueError("a list of algorithms is truncated")
        text, rest = rest[:length].decode("ascii"), rest[length:]
        lists.append(tuple(name for name in text.split(",") if name and not name.startswith(_EXTENSIONS)))
    kex, host_keys = lists[:2]
    ciphers, macs, compressions = (_both(*lists[at : at + 2]) for at in (2, 4, 6))
    return Offer(kex, host_keys, ciphers, macs, compressions)


def find_missing(ours: Offer, theirs: Offer) -> tuple[MissingAlgorithm, ...]:
    """Each use for which the two offers share no algorithm."""
    lists = (
        ("the key exchange", "KexAlgorithms", ours.kex, theirs.kex),
        ("the host key", "HostKeyAlgorithms", ours.host_keys, theirs.host_keys),
        ("the cipher", "Ciphers", ours.ciphers, theirs.ciphers),
        ("the MAC", "MACs", ours.macs, theirs.macs),
        ("compression", "Compression", ours.compressions, theirs.compressions),
    )
    return tuple(MissingAlgorithm(*each) for each in lists if not set(each[2]) & set(each[3]))


def remedy(missing: Sequence[MissingAlgorithm]) -> str:
    """What to add to which of sshd's directives."""
    return (
        f"On the master, {'; '.join(map(_addition, missing))}. `sshd -T` prints the effective configuration. Then "
        "reload sshd. A server other than OpenSSH has its own settings for the same names."
    )


def _addition(missing: MissingAlgorithm) -> str:
    if missing.directive == "Compression":
        return "set `Compression no` or `Compression delayed` in sshd_config"
    # The certificate forms of host key algorithms are of no use without a certificate authority.
    names = [name for name in missing.ours if "-cert-" not in name]
    added = f"add one of these to `{missing.directive}` in sshd_config: {', '.join(names)}"
    if missing.directive == "HostKeyAlgorithms":
        return f"generate the missing host keys (`ssh-keygen -A`) and {added}"
    return added


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in one if name in other)
