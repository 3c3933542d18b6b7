"""What a sandbox is made of: which services are the real programs, and how it starts."""

import dataclasses
from pathlib import Path

from sandbox.issuers import Issuer
from sandbox.kubernetes.envtest import EnvtestApi
from sandbox.kubernetes.server import KubernetesServer
from sandbox.kubernetes.state import KubernetesApi
from sandbox.master.keys import KeyType
from sandbox.master.openssh import OpenSshMaster
from sandbox.master.server import Master
from sandbox.server.certificates import Authority
from sandbox.server.journal import Journal
from sandbox.server.service import Service


@dataclasses.dataclass
class Options:
    """What runs as the real thing instead of our own, and how the throwaway credentials look.

    `envtest` is a directory with kube-apiserver and etcd. With another `issuer` than Key Vault, the vault only keeps
    secrets, and is in RBAC mode. `minimal_permissions` leaves its permissions at those of the original sample;
    otherwise the rotator may read the managed account too, and regenerate its keys. Without `onboarded` vault and
    master are as a deployment leaves them: no managed account, no secret, no access policy, and no key on the master.
    `webhook` and `insights` start what notifications and telemetry go to. `sshd_options` are lines for the real sshd's
    configuration, which has OpenSSH's own limits otherwise.
    """

    sshd: bool = False
    sshd_options: tuple[str, ...] = ()
    envtest: Path | None = None
    azurite: bool = False
    minimal_permissions: bool = False
    key_type: KeyType = "ed25519"
    passphrase: bool = False
    onboarded: bool = True
    webhook: bool = False
    insights: bool = False
    issuer: Issuer = "keyvault"
    directory: Path | None = None

    def make_cluster(
        self, record: Journal, authority: Authority, directory: Path
    ) -> tuple[KubernetesApi | EnvtestApi, Service]:
        """Make the Kubernetes API, and what serves it, which isn't started yet."""
        if self.envtest is None:
            api = KubernetesApi(record, directory)
            return api, KubernetesServer(api, authority)
        real = EnvtestApi(directory, self.envtest)
        return real, real

    def make_master(self, record: Journal, directory: Path, kubeconfig: Path) -> Master | OpenSshMaster:
        """Make the master, whose kubectl has this kubeconfig; it isn't started yet."""
        if not self.sshd:
            return Master(record, directory, kubeconfig)
        return OpenSshMaster(directory, kubeconfig, self.sshd_options)
