"""Onboarding: check what must be in place, ask the operator, then change what is missing, in this order."""

import itertools
from collections.abc import Callable, Iterator, Mapping

from rotator.azure.resource_manager import ResourceManager
from rotator.delivery.ssh import private_key
from rotator.delivery.ssh.connection import SshConnector
from rotator.onboarding import requirements
from rotator.onboarding.errors import DeclinedError
from rotator.onboarding.request import Master, OnboardingRequest
from rotator.onboarding.requirements import Facts
from rotator.onboarding.role_tasks import RoleTasks
from rotator.onboarding.steps import Step, StepOutcome
from rotator.onboarding.tasks import Task, Tasks
from rotator.onboarding.vault_setup import VaultSetup
from rotator.plan.host_keys import HostKey
from rotator.plan.plan import Cluster

# Asks the operator; False stops the onboarding. It gets the host keys that are not pinned, and the changes as text.
Confirm = Callable[[tuple[HostKey, ...], list[str]], bool]


class Onboarding:
    """One onboarding; `report` gets each step as it happens.

    `confirmed` is whether the operator has agreed: before, nothing was changed. `public_keys` has the public half of
    each SSH key that is known by then, by its name in the vault.
    """

    def __init__(
        self,
        request: OnboardingRequest,
        *,
        resource_manager: ResourceManager,
        vault: VaultSetup,
        connector: SshConnector,
        report: Callable[[Step], None],
    ) -> None:
        self._request = request
        self._resource_manager = resource_manager
        self._vault = vault
        self._connector = connector
        self._report = report
        self._shown: HostKey | None = None
        self.confirmed = False
        self.public_keys: Mapping[str, str] = {}

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that belong to this onboarding; `secret_settings` knows which of them may hold a secret."""
        masters = self._request.masters
        if len(masters) > 1:  # the setting is one master's
            return dict(self._request.settings)
        pins = Cluster.usual_origin("fingerprints")
        return {**self._request.settings, pins: str(self._shown or _pinned(masters[0]))}

    def run(self, confirm: Confirm, *, dry_run: bool = False) -> None:
        """Check, ask and change. Raises a RotatorError; nothing is changed before `confirm` has returned True."""
        facts = self._check_azure()
        unknown = tuple(itertools.chain.from_iterable(map(self._check_host_key, self._request.masters)))
        if unknown:
            self._shown = unknown[0]
        self._check_own_key()
        tasks = Tasks(self._request, facts, self._resource_manager, self._vault)
        roles = RoleTasks(self._request, facts, self._resource_manager)
        access = roles.operator() if facts.vault.rbac else tasks.operator_policy()
        if access.change:
            self._vault.check_network()
        # Without that access the vault cannot be read; what else is missing is then found right after it is granted.
        known = [access] if access.change else [access, *self._other_tasks(tasks, roles, facts)]
        if dry_run:
            self._preview(known)
            return
        if not confirm(unknown, [task.text for task in known if task.change]):
            raise DeclinedError("stopped before anything was changed")
        self.confirmed = True
        self._carry_out(access)
        for task in list(self._other_tasks(tasks, roles, facts)) if access.change else known[1:]:
            self._carry_out(task)

    def _check_azure(self) -> Facts:
        request, resource_manager = self._request, self._resource_manager
        vault = resource_manager.vault(request.vault)
        self._report(requirements.check_vault(request, vault))
        account = resource_manager.account(request.account)
        self._report(requirements.check_account(request, account))
        app = resource_manager.function_app(request.function_app) if request.function_app else None
        facts = Facts(vault, account, app, resource_manager.operator())
        if not request.plan.account.issuer.signs_here:
            self._report(requirements.check_roles(request, facts, resource_manager))
        return facts

    def _check_host_key(self, master: Master) -> tuple[HostKey, ...]:
        """Compare the keys that the master shows with the pinned ones; return those shown when none is pinned."""
        if self._request.unseen_host:
            text = f"{_pinned(master)} is accepted unseen; each rotation compares it with the master's key"
            self._report(Step("host key", StepOutcome.CHECKED, text))
            return ()
        shown = self._connector.scan_host_keys(master.cluster)
        self._report(requirements.check_host_key(master, shown))
        return () if master.pins else shown

    def _check_own_key(self) -> None:
        """Raise PrivateKeyError for an SSH key that cannot be used, unless its passphrase is in the vault."""
        request = self._request
        locked = any(master.cluster.passphrase_secret for master in request.masters)
        if request.ssh_key and (request.passphrase or not locked):
            private_key.public_line(request.ssh_key, request.passphrase)

    def _other_tasks(self, tasks: Tasks, roles: RoleTasks, facts: Facts) -> Iterator[Task]:
        """Yield the tasks that need the operator's access to the vault: an access policy, or a role."""
        signs_here = self._request.plan.account.issuer.signs_here
        if not signs_here:
            yield tasks.managed_account()
        if not facts.vault.rbac:
            yield from tasks.app_policy()
        if signs_here:
            yield from roles.app()
        yield from tasks.ssh_keys()
        self.public_keys = tasks.public_keys
        yield from tasks.app_settings(self.settings)

    def _preview(self, tasks: list[Task]) -> None:
        for task in tasks:
            self._report(task.step(StepOutcome.WOULD))
        if tasks[0].change:
            self._report(Step("the rest", StepOutcome.WOULD, "known once you have that access to the vault"))

    def _carry_out(self, task: Task) -> None:
        if task.change:
            task.change()
        self._report(task.step(StepOutcome.DONE))


def _pinned(master: Master) -> str:
    return ", ".join(map(str, master.pins))
