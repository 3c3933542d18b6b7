"""A remedy names a value of the plan by where it was written: by its app setting, or by its place in a plan file."""

import dataclasses

import pytest

from rotator.delivery import remedies
from rotator.delivery.errors import NamespaceMissingError, QuotaExceededError
from rotator.delivery.ssh import kubectl_errors
from rotator.plan.plan import Strategy
from tests.fakes.examples import CLUSTER, TARGET, in_a_file

LINE = "in rotation.yaml, line 12"
# What kubectl or its surroundings print, each with another remedy that names a setting.
OUTPUTS = [
    "sh: 1: kubectl: not found",
    "sudo: sorry, you are not allowed to set the following environment variables: A",
    "Insufficient permissions to access MicroK8s.",
    "cannot create user data directory: /home/x",
    "error: error loading config file",
    'Error from server (NotFound): namespaces "default" not found',
    'Error from server (Forbidden): secrets "x" is forbidden: exceeded quota: one',
    'admission webhook "x.example.com" denied the request: no',
    'admission webhook "x.example.com" does not support dry run',
    'secrets "x" is forbidden: cannot set blockOwnerDeletion if an ownerReference',
]


WRITTEN = in_a_file(TARGET)


def test_settings_go_by_their_names() -> None:
    assert remedies.unreachable(CLUSTER) == (
        "Check KUBERNETES_DNS, KUBERNETES_SSH_PORT and the network path, and that sshd runs on the master."
    )
    assert remedies.host_replaced(CLUSTER).endswith("set KUBERNETES_SSH_FINGERPRINT to it.")
    assert remedies.find(NamespaceMissingError, TARGET) == "Create the namespace, or correct KUBERNETES_NAMESPACE."
    assert remedies.find(QuotaExceededError, TARGET) == (
        "Raise the quota of Secrets in the namespace by one, or use KUBERNETES_SECRET_STRATEGY=apply."
    )


def test_what_a_plan_file_has_goes_by_its_place() -> None:
    assert remedies.unreachable(WRITTEN.cluster).startswith(f"Check host {LINE}, port {LINE} and ")
    assert f"set fingerprints {LINE} to it" in remedies.host_replaced(WRITTEN.cluster)
    assert remedies.find(QuotaExceededError, WRITTEN).endswith(f"or use apply for strategy {LINE}.")


@pytest.mark.parametrize("stderr", OUTPUTS)
@pytest.mark.parametrize("strategy", Strategy)
def test_no_error_of_kubectl_names_a_setting_that_is_not_set(stderr: str, strategy: Strategy) -> None:
    target = dataclasses.replace(WRITTEN, strategy=strategy)
    error = kubectl_errors.explain(1, stderr, target, "nothing was changed")
    assert error.remedy
    assert "KUBERNETES_" not in error.remedy
    assert "{" not in error.remedy


@pytest.mark.parametrize("stderr", OUTPUTS)
def test_of_app_settings_each_error_of_kubectl_names_one(stderr: str) -> None:
    assert "KUBERNETES_" in kubectl_errors.explain(1, stderr, TARGET, "nothing was changed").remedy
