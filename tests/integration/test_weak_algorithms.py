"""A master that knows only weak algorithms is not talked to, and none of them is offered."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from rotator.delivery.errors import UnreachableError
from rotator.delivery.ssh.connection import SshConnector
from rotator.plan import host_keys
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText
from sandbox.master import keys
from sandbox.server import background

WEAK = {
    "cipher": {"encryption_algs": ["3des-cbc", "aes128-cbc", "aes256-cbc"]},
    "mac": {"mac_algs": ["hmac-md5", "hmac-sha1", "hmac-sha1-96"], "encryption_algs": ["aes128-ctr"]},
    "key exchange": {"kex_algs": ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"]},
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_master_with_weak_algorithms_only_is_refused_before_authentication(kind: str, tmp_path: Path) -> None:
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=[host_key], **WEAK[kind]
        )

    async def end(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()
        await asyncio.sleep(0.05)

    with background.Background() as running:
        acceptor = running.run(serve())
        pin = host_keys.parse(host_key.get_fingerprint())
        cluster = Cluster(host="127.0.0.1", port=acceptor.get_port(), user="rotator", fingerprints=pin)
        try:
            with (
                pytest.raises(UnreachableError, match="no strong algorithm in common"),
                SshConnector().open_shell(cluster, SecretText(keys.generate().private_text), None),
            ):
                pass
        finally:
            running.run(end(acceptor))
