"""Checks Kubernetes as kubectl on the master reaches it: kubectl itself, the API server, the namespace."""

import shlex

from rotator import errors
from rotator.checks import kubectl_probe, remedies
from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import AlreadyReportedError, ClusterCheck, Results, TargetCheck
from rotator.checks.ssh import ScriptRunnable, run_remotely
from rotator.delivery import merge
from rotator.delivery import remedies as delivery_remedies
from rotator.delivery.errors import KubectlMissingError, NamespaceMissingError
from rotator.delivery.ssh import kubectl, kubectl_errors
from rotator.delivery.ssh.shell import Result
from rotator.plan.plan import Target


def error_for(result: Result, target: Target) -> errors.RotatorError:
    """Return the error that kubectl's output means; a check has changed nothing."""
    return kubectl_errors.explain(result.status, result.stderr, target, merge.UNCHANGED)


class KubectlFound(ClusterCheck[None]):
    """The cluster's command line runs kubectl."""

    name = "kubectl"

    def run(self, results: Results, report: Reporter) -> None:
        """Read kubectl's version."""
        results.require(ScriptRunnable)
        result = run_remotely(results, kubectl_probe.client_version(self.cluster))
        version = kubectl_probe.version_in(result.stdout)
        if result.status != 0 or not version:
            raise error_for(result, self.any_target)
        report(Level.OK, f"kubectl {version}")

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Find another kubectl on the master; return what sets the command line to it."""
        if not isinstance(error, KubectlMissingError):
            return ""
        found = run_remotely(results, kubectl_probe.FIND_KUBECTL).stdout.splitlines()
        others = [line for line in found if line != shlex.join(self.cluster.kubectl)]
        return self.context.remedies.setting(self.cluster.setting("kubectl"), others[0]) if others else ""


class ApiServerReachable(ClusterCheck[None]):
    """The API server answers kubectl."""

    name = "API server"

    def run(self, results: Results, report: Reporter) -> None:
        """Request its version; a refusal is an answer, too."""
        results.require(KubectlFound)
        result = run_remotely(results, kubectl_probe.server_version(self.cluster))
        if result.status != 0 and not kubectl.is_api_error(result.stderr, "Forbidden"):
            raise error_for(result, self.any_target)
        report(Level.OK, f"the API server answers {kubectl_probe.version_in(result.stdout)}".rstrip())


class NamespaceFound(TargetCheck[None]):
    """The namespace exists, as far as kubectl's user may read it."""

    name = "namespace"

    def run(self, results: Results, report: Reporter) -> None:
        """Read the namespace."""
        results.require(ApiServerReachable)
        result = run_remotely(results, kubectl_probe.namespace(self.target))
        name = self.target.namespace
        if kubectl.is_api_error(result.stderr, "NotFound", "namespaces "):
            text = f"there is no namespace {name!r}"
            remedy = delivery_remedies.find(NamespaceMissingError, self.target)
            report(Level.FAILURE, text, remedy, remedies.namespace(self.target))
            raise AlreadyReportedError
        if kubectl.is_api_error(result.stderr, "Forbidden"):
            report(Level.SKIPPED, f"kubectl's user may not read namespace {name!r}; the dry run finds out")
        elif result.status != 0:
            raise error_for(result, self.target)
        else:
            report(Level.OK, f"{name!r} exists")
