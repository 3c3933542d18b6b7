"""The commands that mend what a check found: az for Azure, kubectl for the cluster. To be pasted as they are."""

import dataclasses
import shlex
import urllib.parse
from collections.abc import Mapping

from rotator import access
from rotator.targets import Plan, Target

BLOB_OWNER = "Storage Blob Data Owner"
_NOBODY = "<object id of the app's identity>"


@dataclasses.dataclass(frozen=True)
class Remedies:
    """Commands for one plan. `place` is the environment, where App Service says which app this is."""

    plan: Plan
    place: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    object_id: str = _NOBODY

    @property
    def vault(self) -> str:
        """The vault's name."""
        return self.plan.account.host.partition(".")[0]

    def sign_in(self) -> str:
        """Give this process an identity."""
        app = self.place.get("WEBSITE_SITE_NAME")
        if app:
            return f"az functionapp identity assign {self._app(app)}"
        return "" if self.place.get("IDENTITY_ENDPOINT") else "az login"

    def setting(self, name: str, value: str) -> str:
        """Set an app setting, or the environment variable that stands for it in a terminal."""
        app = self.place.get("WEBSITE_SITE_NAME")
        given = f"{name}={shlex.quote(value)}"
        if app is None:
            return f"export {given}"
        return f"az functionapp config appsettings set {self._app(app)} --settings {given}"

    def policy(self) -> str:
        """Give the identity all that it needs of the vault; a list that is given replaces the former one."""
        rotates = self.plan.key_rotation_period is not None
        wanted = access.APP.union(access.KEY_ROTATION) if rotates else access.APP
        return (
            f"az keyvault set-policy --name {self.vault} --object-id {self.object_id} --secret-permissions "
            f"{' '.join(sorted(wanted.secrets))} --storage-permissions {' '.join(sorted(wanted.storage))}"
        )

    def access_policies(self) -> str:
        """Have the vault decide by access policies."""
        return f"az keyvault update --name {self.vault} --enable-rbac-authorization false"

    def through_firewall(self, address: str) -> str:
        """Let an address through the vault's firewall."""
        return f"az keyvault network-rule add --name {self.vault} --ip-address {address or '<address>'}"

    def secret(self, name: str, file: str, content_type: str = "") -> str:
        """Put a secret into the vault from a file."""
        kind = f" --content-type {content_type}" if content_type else ""
        return f"az keyvault secret set --vault-name {self.vault} --name {name} --file {file}{kind}"

    def secret_back(self, name: str, file: str, content_type: str = "") -> str:
        """Bring a secret back that was deleted, or put it there from a file."""
        recover = f"az keyvault secret recover --vault-name {self.vault} --name {name}"
        return f"{recover} || {self.secret(name, file, content_type)}"

    def enable(self, name: str) -> str:
        """Enable a secret."""
        return f"az keyvault secret set-attributes --vault-name {self.vault} --name {name} --enabled true"

    def onboard(self) -> str:
        """Let the vault manage the account."""
        show = "az {} show --name {} --query id --output tsv"
        vault, account = show.format("keyvault", self.vault), show.format("storage account", self.plan.account.name)
        return f'python -m rotator onboard --vault "$({vault})" --storage-account "$({account})"'

    def key_operator(self, resource_id: str) -> str:
        """Let the identity list and regenerate an account's keys."""
        return self._role(access.KEY_OPERATOR, resource_id)

    def blob_owner(self, blob_url: str) -> str:
        """Let the identity use the app's own storage."""
        parts = urllib.parse.urlsplit(blob_url)
        account = parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
        return self._role(f"'{BLOB_OWNER}'", f'"$(az storage account show --name {account} --query id --output tsv)"')

    def shared_key(self, account: str) -> str:
        """Have an account accept what its keys signed."""
        return f"az storage account update --name {account} --allow-shared-key-access true"

    def grant(self, target: Target, verb: str, user: str | None) -> str:
        """Let kubectl's user do this with the Secret. Who may create may create any: RBAC knows no name before."""
        name = f"rotator-{target.secret}-{verb}"
        only = "" if verb == "create" else f" --resource-name={target.secret}"
        kubectl = f"kubectl --namespace {target.namespace} create"
        return (
            f"{kubectl} role {name} --verb={verb} --resource=secrets{only}"
            f"; {kubectl} rolebinding {name} --role={name} {_subject(user)}"
        )

    def _app(self, app: str | None) -> str:
        group = self.place.get("WEBSITE_RESOURCE_GROUP", "<resource group>")
        return f"--name {app} --resource-group {group}"

    def _role(self, role: str, scope: str) -> str:
        return (
            f"az role assignment create --role {role} --assignee-object-id {self.object_id} "
            f"--assignee-principal-type ServicePrincipal --scope {scope}"
        )


def namespace(target: Target) -> str:
    """Make the namespace."""
    return f"kubectl create namespace {target.namespace}"


def _subject(user: str | None) -> str:
    account = (user or "").removeprefix("system:serviceaccount:")
    if account != user and account.count(":") == 1:
        return f"--serviceaccount={account}"
    return f"--user={shlex.quote(user or '<the user in the kubeconfig of the master>')}"
