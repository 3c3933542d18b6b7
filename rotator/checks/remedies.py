"""The commands that repair what a check finds: az for Azure, kubectl for the cluster, python -m rotator for the rest.

They are to be pasted as they are. What they cannot know is in angle brackets; everything else is quoted for a shell.
"""

import dataclasses
import shlex
import urllib.parse
from collections.abc import Mapping

from rotator.azure import permissions
from rotator.azure.permissions import Principal
from rotator.plan import secret_settings
from rotator.plan.plan import Plan, Target

BLOB_OWNER = "Storage Blob Data Owner"
ROTATE = "python -m rotator rotate"
ROTATE_NOW = f"{ROTATE} --force"


@dataclasses.dataclass(frozen=True)
class VaultSecret:
    """A secret in the vault, the file that it is written from, and its content type there."""

    name: str
    file: str
    content_type: str = ""


@dataclasses.dataclass(frozen=True)
class Remedies:
    """The commands for one plan. `environment` is where App Service says which app this is."""

    plan: Plan
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def vault(self) -> str:
        """The vault's name."""
        return shlex.quote(self.plan.account.host.partition(".")[0])

    def sign_in(self) -> str:
        """Give this process an identity."""
        app = self.environment.get("WEBSITE_SITE_NAME")
        if app is None:
            return "" if self.environment.get("IDENTITY_ENDPOINT") else "az login"
        assign = f"az functionapp identity assign {self._app(app)}"
        if self.plan.client_id is None:
            return assign
        found = f"az identity list --query \"[?clientId=='{self.plan.client_id}'].id\" --output tsv"
        return f'{assign} --identities "$({found})"'

    def setting(self, name: str, value: str) -> str:
        """Set an app setting, or the environment variable that stands for it in a terminal."""
        app = self.environment.get("WEBSITE_SITE_NAME")
        if app is None:
            secret = secret_settings.may_hold_secret(name, value)
            return f"export {name}=" + ('"$(cat <file>)"' if secret else shlex.quote(value))
        return f"az functionapp config appsettings set {self._app(app)} --settings " + secret_settings.arguments(
            {name: value}
        )

    @property
    def private_key(self) -> VaultSecret:
        """The SSH key of the first target's cluster."""
        return VaultSecret(self.plan.targets[0].cluster.key_secret, "id_ed25519", "application/x-pem-file")

    @property
    def passphrase(self) -> VaultSecret:
        """That key's passphrase."""
        return VaultSecret(self.plan.targets[0].cluster.passphrase_secret or "", "passphrase.txt")

    def policy(self, who: Principal) -> str:
        """Grant the identity what this plan needs of the vault, and leave it what it has there."""
        rotates = self.plan.key_rotation_period is not None
        wanted = permissions.APP.union(permissions.KEY_ROTATION) if rotates else permissions.APP
        return permissions.addition(self.plan.account.host.partition(".")[0], who.object_id, wanted)

    def access_policies(self) -> str:
        """Have the vault decide by access policies."""
        return f"az keyvault update --name {self.vault} --enable-rbac-authorization false"

    def through_firewall(self, address: str) -> str:
        """Let an address through the vault's firewall."""
        return f"az keyvault network-rule add --name {self.vault} --ip-address {_word(address or '<address>')}"

    def upload(self, secret: VaultSecret) -> str:
        """Write a secret into the vault from its file."""
        kind = f" --content-type {secret.content_type}" if secret.content_type else ""
        return f"az keyvault secret set {self._secret(secret.name)} --file {_word(secret.file)}{kind}"

    def recover(self, secret: VaultSecret) -> str:
        """Recover a secret that was deleted, or write it from its file."""
        return f"az keyvault secret recover {self._secret(secret.name)} || {self.upload(secret)}"

    def enable(self, name: str) -> str:
        """Enable a secret."""
        return f"az keyvault secret set-attributes {self._secret(name)} --enabled true"

    def onboard(self) -> str:
        """Let the vault manage the account, whose name the blob endpoint tells; the vault may call it otherwise."""
        account = _account(self.plan.blob_endpoint or "")
        show = f"az keyvault show --name {self.vault} --query id --output tsv"
        return f'python -m rotator onboard --vault "$({show})" --storage-account {_id(account)}'

    def key_operator(self, resource_id: str, who: Principal) -> str:
        """Let the identity list and regenerate an account's keys."""
        return _role(permissions.KEY_OPERATOR, _word(resource_id), who)

    def key_operators(self, resource_id: str, who: Principal) -> str:
        """Let the identity and Key Vault itself do so: the vault does not say which of them lacks the role."""
        application = permissions.key_vault_application(self.plan.account.host)
        role, scope = permissions.KEY_OPERATOR, _word(resource_id)
        itself = f"az role assignment create --role {role} --assignee {application} --scope {scope}"
        return f"{itself}; {self.key_operator(resource_id, who)}"

    def blob_owner(self, blob_url: str, who: Principal) -> str:
        """Let whoever opens the app's own storage use it."""
        return _role(BLOB_OWNER, _id(_account(blob_url)), who)

    def through_storage_firewall(self, blob_url: str) -> str:
        """Let an address, which storage does not tell, through an account's firewall."""
        account = _word(_account(blob_url))
        return f"az storage account network-rule add --account-name {account} --ip-address <address of this network>"

    def shared_key(self, account: str) -> str:
        """Have an account accept what its keys signed."""
        return f"az storage account update --name {_word(account)} --allow-shared-key-access true"

    def grant(self, target: Target, verb: str, user: str | None) -> str:
        """Let kubectl's user do this with the Secret. Who may create may create any: RBAC knows no name before.

        `auth reconcile` makes what is missing and adds to what is there, so that it can be done again, for another
        user too (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#kubectl-auth-reconcile).
        """
        name = f"rotator-{target.secret}-{verb}"
        only = "" if verb == "create" else f" --resource-name={target.secret}"
        kubectl = f"kubectl --namespace {target.namespace}"
        role = f"role {name} --verb={verb} --resource=secrets{only}"
        binding = f"rolebinding {name} --role={name} {_subject(user)}"
        return "; ".join(
            f"{kubectl} create {made} --dry-run=client --output=yaml | {kubectl} auth reconcile --filename=-"
            for made in (role, binding)
        )

    def _app(self, app: str) -> str:
        group = self.environment.get("WEBSITE_RESOURCE_GROUP", "<resource group>")
        return f"--name {_word(app)} --resource-group {_word(group)}"

    def _secret(self, name: str) -> str:
        return f"--vault-name {self.vault} --name {_word(name)}"


def namespace(target: Target) -> str:
    """Make the namespace."""
    return f"kubectl create namespace {target.namespace}"


def _word(text: str) -> str:
    """Give one word of a command line; what is to be filled in stays as it is."""
    return text if text.startswith("<") and text.endswith(">") else shlex.quote(text)


def _account(url: str) -> str:
    """Name the account that a URL leads to: the path, or the host's first label, unless it is a domain of one's own."""
    parts = urllib.parse.urlsplit(url)
    label, blob, _ = (parts.hostname or "").partition(".blob.")
    return parts.path.strip("/") or (label.partition(".")[0] if blob else "<name of the storage account>")


def _id(account: str) -> str:
    return f'"$(az storage account show --name {_word(account)} --query id --output tsv)"'


def _role(role: str, scope: str, who: Principal) -> str:
    kind = f" --assignee-principal-type {who.kind}" if who.kind else ""
    return (
        f"az role assignment create --role {shlex.quote(role)} --assignee-object-id {_word(who.object_id)}{kind} "
        f"--scope {scope}"
    )


def _subject(user: str | None) -> str:
    account = (user or "").removeprefix("system:serviceaccount:")
    if account != user and account.count(":") == 1:
        return f"--serviceaccount={shlex.quote(account)}"
    return f"--user={_word(user or '<the user in the kubeconfig of the master>')}"
