"""The cluster and the master of a world: our own, or the real programs, which not everybody has."""

from typing import TYPE_CHECKING

from sandbox.kubernetes import server
from sandbox.master import server as own_master

if TYPE_CHECKING:
    from sandbox.kubernetes.envtest import EnvtestApi
    from sandbox.master.openssh import OpenSshMaster
    from sandbox.world import World


def cluster(world: "World") -> "server.KubernetesApi | EnvtestApi":
    """Make the Kubernetes API; it isn't started yet."""
    directory = world.directory / "cluster"
    if world.options.envtest is None:
        return server.KubernetesApi(world.journal, world.authority, directory)
    from sandbox.kubernetes.envtest import EnvtestApi

    return EnvtestApi(directory, world.options.envtest)


def master(world: "World") -> "own_master.Master | OpenSshMaster":
    """Make the master, whose kubectl is let into the cluster; it isn't started yet."""
    directory = world.directory / "master"
    if not world.options.sshd:
        return own_master.Master(world.journal, directory, world.cluster.kubeconfig)
    from sandbox.master.openssh import OpenSshMaster

    return OpenSshMaster(directory, world.cluster.kubeconfig, world.options.sshd_options)
