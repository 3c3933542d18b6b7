"""The roles that an issuer other than Key Vault needs, and that onboarding assigns: to the app, and to the operator."""

from collections.abc import Iterator

from rotator.azure import account_probe, az_commands, data_actions, permissions
from rotator.azure.permissions import Principal, Role
from rotator.azure.resource_manager import ResourceManager
from rotator.onboarding import requirements
from rotator.onboarding.errors import MissingRoleError
from rotator.onboarding.request import OnboardingRequest
from rotator.onboarding.requirements import Facts
from rotator.onboarding.tasks import Task
from rotator.plan.account import IssuerKind

_APP = "ServicePrincipal"


class RoleTasks:
    """The role assignments of one onboarding. A method, and a task's change, may raise a ResourceManagerError."""

    def __init__(self, request: OnboardingRequest, facts: Facts, resource_manager: ResourceManager) -> None:
        self._request = request
        self._facts = facts
        self._resource_manager = resource_manager

    def operator(self) -> Task:
        """Return the task of the operator's role in a vault in RBAC mode, without which no SSH key is written there.

        Raises MissingRoleError where the operator lacks it, and may not assign it.
        """
        who, scope = Principal(self._facts.operator), str(self._request.vault)
        if self._resource_manager.may_with_data(scope, permissions.SET_SECRET):
            return Task("operator's role", f"{who.object_id} may write secrets", "", None)
        return self._task("operator's role", permissions.SECRETS_OFFICER, scope, who)

    def app(self) -> Iterator[Task]:
        """Yield the tasks of the app's roles, where there is an app.

        Raises OnboardingError for an app without an identity, MissingRoleError as `operator` does.
        """
        principal = requirements.app_principal(self._request, self._facts.app)
        for role, scope in self._needed() if principal else ():
            yield self._task("app's role", role, scope, Principal(principal or "", _APP))

    def _needed(self) -> Iterator[tuple[Role, str]]:
        account, grant = str(self._request.account), self._request.plan.grant
        if self._facts.vault.rbac:
            yield permissions.SECRETS_USER, str(self._request.vault)
        if self._request.plan.account.issuer is IssuerKind.STORAGEKEY:
            yield permissions.KEY_OPERATORS, account
            return
        yield permissions.DELEGATOR, account
        name = data_actions.role_for(grant.permissions)
        yield permissions.DATA_ROLES[name], account_probe.container_id(account, grant.container or "")

    def _task(self, title: str, role: Role, scope: str, who: Principal) -> Task:
        command = az_commands.assign_role_to(role.name, az_commands.word(scope), who)
        where = scope.rpartition("/")[2]
        if self._resource_manager.has_role(scope, role, who.object_id):
            return Task(title, f"{who.object_id} has {role.name!r} on {where}", command, None)
        if not self._resource_manager.may_at(scope, permissions.ASSIGN_ROLES):
            raise MissingRoleError(
                f"{who.object_id} lacks the role {role.name!r} on {where}, and you may not assign roles",
                remedy=f"Have somebody who may run this, and begin again: {command}",
            )
        return Task(
            title,
            f"assign {who.object_id} {role.name!r} on {where}",
            command,
            lambda: self._resource_manager.assign_role(scope, role, who),
        )
