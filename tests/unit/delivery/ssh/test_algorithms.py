"""Offers of algorithms: how they are read from a KEXINIT message, and what to do where both sides share none."""

import dataclasses

import pytest

from rotator.delivery.ssh import algorithms
from rotator.delivery.ssh.algorithms import Offer

OURS = Offer(
    ("curve25519-sha256",), ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"), ("aes256-ctr",), ("hmac-sha2-256",)
)


def kexinit(*lists: str) -> bytes:
    return bytes(16) + b"".join(len(each).to_bytes(4, "big") + each.encode() for each in lists) + bytes(5)


def test_offer_has_what_is_offered_for_both_directions_and_no_extensions() -> None:
    message = kexinit("a,ext-info-s,kex-strict-s-v00@openssh.com", "k", "c1,c2", "c2,c3", "m", "m", "none", "none,zlib")
    assert algorithms.parse(message) == Offer(("a",), ("k",), ("c2",), ("m",), ("none",))


def test_truncated_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="truncated"):
        algorithms.parse(kexinit("curve25519-sha256")[:30])


def test_offers_with_something_in_common_lack_nothing() -> None:
    assert algorithms.find_missing(OURS, OURS) == ()


def test_what_is_missing_is_named_with_what_the_host_offers_and_what_to_add() -> None:
    theirs = dataclasses.replace(OURS, host_keys=("ssh-dss",), macs=tuple(f"hmac-{number}" for number in range(9)))
    missing = algorithms.find_missing(OURS, theirs)
    assert [str(each) for each in missing] == [
        "the host key (it offers ssh-dss)",
        "the MAC (it offers hmac-0, hmac-1, hmac-2, hmac-3, hmac-4, hmac-5, hmac-6, hmac-7, …)",
    ]
    remedy = algorithms.remedy(missing)
    assert "`ssh-keygen -A`" in remedy
    assert "add one of these to `HostKeyAlgorithms` in sshd_config: ssh-ed25519;" in remedy
    assert "add one of these to `MACs` in sshd_config: hmac-sha2-256." in remedy
