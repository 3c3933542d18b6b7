"""Checks SSH to the master: the private key, the host key, the login, and whether a delivery's script runs there."""

import datetime
import re
import secrets

from rotator import errors
from rotator.checks import clock, kubectl_probe
from rotator.checks.context import VerifiedHost
from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import AlreadyReportedError, ClusterCheck, Results
from rotator.checks.vault_permissions import PassphraseRead, PrivateKeyRead
from rotator.delivery import remedies
from rotator.delivery.errors import AuthenticationRejectedError, PrivateKeyError, SecondFactorError
from rotator.delivery.ssh import login_secrets, private_key, remote_output, script, write_results
from rotator.delivery.ssh.script import ScriptStep
from rotator.delivery.ssh.session_queue import QueuedShell
from rotator.delivery.ssh.shell import Result, Shell
from rotator.plan.host_keys import HostKey
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

_SECONDS = 45.0  # for one command on the master


def run_remotely(results: Results, command: str, stdin: SecretText | None = None) -> Result:
    """Run a command on the connection that is logged in; raises DependencyError, SshError."""
    return results.of(LoggedIn).start(command, seconds=_SECONDS).finish(stdin)


def _passphrase(cluster: Cluster, results: Results) -> SecretText | None:
    return results.of(PassphraseRead) if cluster.passphrase_secret else None


class PrivateKeyValid(ClusterCheck[str]):
    """The SSH key is one, and its passphrase opens it; the result is its line for authorized_keys."""

    name = "SSH key"

    def run(self, results: Results, report: Reporter) -> str:
        """Read the key, and derive its public half."""
        line = private_key.public_line(results.of(PrivateKeyRead), _passphrase(self.cluster, results))
        report(Level.OK, f"well-formed: {line.rpartition(' ')[0]}")
        return line

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return what puts the right key or passphrase into the vault."""
        commands = self.context.remedies
        fault = error.passphrase if isinstance(error, PrivateKeyError) else None
        if fault == "needless":
            return ""
        if fault == "missing":
            return commands.setting(self.cluster.setting("passphrase_secret"), "privatekey-passphrase")
        passphrase = login_secrets.passphrase(self.cluster) if fault == "wrong" else None
        return commands.upload(passphrase or login_secrets.private_key(self.cluster))


class MasterReachable(ClusterCheck[tuple[tuple[HostKey, ...], VerifiedHost | None]]):
    """The master talks SSH.

    The result is the host keys that it showed and, where one is pinned, the connection on which it did.
    """

    name = "master"

    def run(self, _results: Results, report: Reporter) -> tuple[tuple[HostKey, ...], VerifiedHost | None]:
        """Read the host's keys; no login is attempted."""
        cluster = self.cluster
        shown, verified = self.context.connector.verify_host(cluster)
        if verified is not None:
            self.context.stack.callback(verified.close)
        report(Level.OK, f"{cluster.host}:{cluster.port} talks SSH")
        return shown, verified


class HostKeyPinned(ClusterCheck[VerifiedHost]):
    """The master shows a host key that is pinned; the result is the connection on which it does."""

    name = "host key"

    def run(self, results: Results, report: Reporter) -> VerifiedHost:
        """Report what is pinned, and which keys the host offers where none of them is."""
        shown, verified = results.of(MasterReachable)
        pinned = ", ".join(map(str, self.cluster.fingerprints))
        if verified is None:
            offered = "; ".join(map(str, shown))
            text = f"pinned is {pinned}, but the host offers {offered}. None of these is trusted"
            report(Level.FAILURE, text, remedies.host_replaced(self.cluster))
            raise AlreadyReportedError
        report(Level.OK, f"the host shows the pinned {pinned}")
        return verified


class LoggedIn(ClusterCheck[Shell]):
    """The master accepts the SSH key; the result is a connection that runs commands."""

    name = "login"

    def run(self, results: Results, report: Reporter) -> Shell:
        """Log in on the connection whose host key is verified."""
        verified, cluster = results.of(HostKeyPinned), self.cluster
        key, line = results.of(PrivateKeyRead), results.of(PrivateKeyValid)
        try:
            shell = self.context.stack.enter_context(verified.login(key, _passphrase(self.cluster, results)))
        except SecondFactorError:
            raise  # its own remedy: the key is right
        except AuthenticationRejectedError as error:
            remedy = f"On the master, add this line to the authorized_keys of {cluster.user}: {line}"
            report(Level.FAILURE, str(error), remedy)
            raise AlreadyReportedError from error
        report(Level.OK, f"{cluster} accepts the key")
        return QueuedShell(shell)


class ScriptRunnable(ClusterCheck[None]):
    """The login shell runs a delivery's own script: one that understands a line may not understand a script."""

    name = "remote shell"

    def run(self, results: Results, report: Reporter) -> None:
        """Run the script with `false` for kubectl and without a manifest, so that it changes nothing."""
        mark = f"rotator-{secrets.token_hex(8)}"
        result = run_remotely(results, kubectl_probe.delivery_script(self.any_target, mark))
        answer = script.parse(result.stdout, mark)
        if answer.has(ScriptStep.READY):
            report(Level.OK, "a delivery's script runs, with mktemp and mkfifo")
            return
        if write_results.lacks_requirement(answer):
            error = write_results.start_error(answer, result.status, result.stderr, self.any_target)
            report(Level.FAILURE, str(error), error.remedy)
            return  # later checks do without what is missing
        self._report_shell(result, report)
        raise AlreadyReportedError

    def _report_shell(self, result: Result, report: Reporter) -> None:
        cluster = self.cluster
        output = remote_output.quote(f"{result.stderr}\n{result.stdout}") or f"status {result.status} and no output"
        text = f"the login shell of {cluster} does not run a delivery's script: {output}"
        report(Level.FAILURE, text, kubectl_probe.LOGIN_SHELL_REMEDY, f"sudo usermod --shell /bin/sh {cluster.user}")


class MasterClockRight(ClusterCheck[None]):
    """The master's clock agrees with ours. No rotation depends on it, but consumers there may judge a SAS by it."""

    name = "master clock"

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the master for the time, which it prints in whole seconds, cut off."""
        results.require(ScriptRunnable)
        before = self.context.clock()
        printed = run_remotely(results, "date +%s").stdout.strip()
        if re.fullmatch("[0-9]{1,11}", printed):
            half = datetime.timedelta(seconds=0.5)
            theirs = datetime.datetime.fromtimestamp(int(printed), datetime.UTC) + half
        else:
            theirs = None
        off = clock.ahead(theirs, before, self.context.clock())
        clock.compare(f"the master {self.cluster.host}", off, report)
