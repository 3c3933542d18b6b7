"""Which settings may hold a secret, and how to show a command that changes them.

A command that is shown may end up in a CI log, a shell's history or a chat. It names the settings that it changes, but
a value that may be secret belongs into a file, which `az` reads.
"""

import re
import shlex
from collections.abc import Iterable, Mapping

from rotator import redaction
from rotator.redaction import SecretText

# Names as Azure, the Functions host and others use them.
_NAMES = re.compile(
    r"(?i)connection_?string|webhook|password|passphrase|passwd|token|client_secret|access_?key|account_?key|api_?key"
    r"|instrumentationkey|storage_?key|identity_header|webjobs_?storage$|webjobsdashboard$"
)
# The rotator's own settings with such a name whose value is only the name of a vault secret.
_NO_SECRETS = frozenset({"KUBERNETES_SSH_PASSPHRASE_SECRET"})
# A key, token or password within a value: connection strings, URLs, command lines.
_VALUES = re.compile(
    r"(?i)(?:account_?key|sharedaccess(?:key|signature)|password|passwd|passphrase|token|secret|api_?key|sig)[= ]\S"
    r"|://[^/\s@]+@"
)
_PART = re.compile(r"(?i)(?:AccountKey|SharedAccessSignature|SharedAccessKey|Password)=([^;]+)")
_OPTION = re.compile(r"(?i)--(?:token|password)[= ](\S+)")  # options of kubectl
_SHORTEST = 8  # characters; masking shorter values would mask ordinary words


def may_hold_secret(name: str, value: str) -> bool:
    """Whether a setting's value must not be shown. An App Service reference to Key Vault is not a secret itself."""
    if value.startswith("@Microsoft.KeyVault(") and value.endswith(")"):
        return False
    named = _NAMES.search(name) is not None and name not in _NO_SECRETS
    return named or _VALUES.search(value) is not None or redaction.scrub(value) != value


def secret_values(environment: Mapping[str, str]) -> tuple[SecretText, ...]:
    """The secrets in the environment. `redaction.scrub` masks them as long as the caller references them."""
    texts = {text for name, text in environment.items() if _NAMES.search(name) and may_hold_secret(name, text)}
    parts = {part for text in texts for part in _PART.findall(text)}
    parts |= set(_OPTION.findall(environment.get("KUBERNETES_KUBECTL", "")))
    return tuple(SecretText(text) for text in texts | parts if len(text) >= _SHORTEST)


def arguments(settings: Mapping[str, str]) -> str:
    """The arguments of `az functionapp config appsettings set --settings`, quoted for a shell.

    `az` reads an argument that begins with @ from a file of JSON, for example [{"name": "NAME", "value": "…"}]
    (https://learn.microsoft.com/cli/azure/functionapp/config/appsettings#az-functionapp-config-appsettings-set).
    """
    shown = [f"{name}={value}" for name, value in settings.items() if not may_hold_secret(name, value)]
    secret = [name for name, value in settings.items() if may_hold_secret(name, value)]
    words = [*shown, *([f"@<JSON file with {_listed(secret)}>"] if secret else [])]
    return shlex.join(words)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
