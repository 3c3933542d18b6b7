"""Names of settings: finds those that are misspelt, or begin like the rotator's but are unknown to it.

A misspelt optional setting would silently mean its default: `KUBERNETES_NAMESPCE=prod` would write to the namespace
`default`. Variables of the Functions host, Azure, Kubernetes and other programs are ignored.
"""

import difflib
import functools
import re
from collections.abc import Iterator, Mapping

# A name that begins like this is meant for the rotator, unless it matches `_FOREIGN`.
_PREFIXES = (
    "KEYVAULT_",
    "KEY_ROTATION_",
    "KUBERNETES_",
    "NOTIFY_WEBHOOK",
    "REPORT_CONTAINER",
    "REVOKE_",
    "ROTATION_",
    "SAS_",
    "STORAGE_BLOB_",
)
_SIMILARITY = 0.9  # difflib's ratio: of ten letters, one may be missing, different, or in another place
_SHORT_WORD = 3  # letters
_FOREIGN = re.compile(
    r"""
    # set by kubelet in every pod, for every Service of its namespace:
    # https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    .+_SERVICE_HOST | .+_SERVICE_PORT(_.+)? | .+_PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?
    # Kubernetes' clients: credential plug-ins, fabric8 (Java), kubectl's old variable
    | KUBERNETES_(EXEC_INFO | MASTER | CLUSTER_DOMAIN | AUTH_.+ | TRUST_.+ | CERTS_.+ | CLIENT_.+ | DISABLE_.+ | TLS_.+
        | CONNECTION_TIMEOUT | REQUEST_TIMEOUT | WATCH_.+ | KEYSTORE_.+ | TRUSTSTORE_.+ | MAX_CONCURRENT_REQUESTS.*)
    # GitLab's runner: https://docs.gitlab.com/runner/executors/kubernetes/
    | KUBERNETES_(.+_OVERWRITE.* | (SERVICE_|HELPER_)?(CPU|MEMORY|EPHEMERAL_STORAGE)_(LIMIT|REQUEST)
        | POD_.+ | NODE_.+ | BEARER_TOKEN)
    # this project's own azd environment (infra/main.parameters.json)
    | KEY_ROTATION_ENABLED
    # usual names of variables in scripts that make a SAS with the Azure CLI
    | SAS_(TOKEN | URL | URI)
    # Azure's SDKs and the Functions host
    | AZURE_CLIENT_(SECRET | CERTIFICATE_.+ | SEND_CERTIFICATE_CHAIN)
    | AzureWebJobsStorage__(serviceUri | queueServiceUri | tableServiceUri | fileServiceUri | credential | tenantId
        | clientSecret | managedIdentityResourceId | managedIdentityClientId)
    """,
    re.VERBOSE,
)
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


def unknown(environment: Mapping[str, str], known: frozenset[str]) -> list[str]:
    """A message for each name that is not a `known` setting, but looks like one; without the value."""
    return [
        _problem(name, alike)
        for name, text in sorted(environment.items())
        if name not in known and text.strip() and not _foreign(name, text)
        for alike in _suggestions(name, known)
    ]


@functools.cache
def closest(name: str, known: frozenset[str]) -> str | None:
    """The known setting with the most similar name, if any; case and the separators of words do not matter."""
    normal = {_normal(each): each for each in known}
    found = difflib.get_close_matches(_normal(name), normal, n=1, cutoff=_SIMILARITY)
    return normal[found[0]] if found and _same_start(_normal(name), found[0]) else None


def _same_start(name: str, ours: str) -> bool:
    """Whether the first words are alike, if ours is short: SSL_PROTOCOL is similar to SAS_PROTOCOL, but not meant."""
    first, short = name.partition("_")[0], ours.partition("_")[0]
    return len(short) > _SHORT_WORD or name.startswith(short) or set(first) <= set(short)


def _foreign(name: str, text: str) -> bool:
    # Kubernetes sets the `…_PORT` of a Service to a URL; the rotator's own ports are numbers.
    linked = name.endswith("_PORT") and _SERVICE_LINK.match(text)
    return bool(linked or _FOREIGN.fullmatch(name) or not _PLAIN.fullmatch(name))


def _suggestions(name: str, known: frozenset[str]) -> Iterator[str | None]:
    """Yield the setting that may be meant, or None if only the prefix is the rotator's; nothing for other programs'."""
    alike = closest(name, known)
    # The Functions host ignores the case of its own settings.
    if alike and not (alike.startswith("AzureWebJobs") and alike.lower() == name.lower()):
        yield alike
    elif alike is None and name.upper().startswith(_PREFIXES):
        yield None


def _problem(name: str, alike: str | None) -> str:
    if alike:
        return f"{name} is not a setting of the rotator: did you mean {alike}? Rename it, or remove it"
    return (
        f"{name} is not a setting of the rotator, though it begins like one: remove it; in a terminal where another "
        f"program needs it, put `env -u {name}` in front of the command"
    )


def _normal(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
