"""Settings that nobody reads: misspelt ones, and unknown ones of the rotator's own families.

An optional setting that is misspelt would silently mean its default: `KUBERNETES_NAMESPCE=prod` would rotate the
namespace `default`. What the Functions host, Azure, Kubernetes and other programs set is left alone.
"""

import difflib
import functools
import re
from collections.abc import Iterator, Mapping

# Whatever begins so is meant for the rotator, unless `_FOREIGN` knows better.
_FAMILIES = (
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
_ALIKE = 0.9  # of difflib: one letter in ten is missing, another one, or in another place
_SHORT = 3
_FOREIGN = re.compile(
    r"""
    # kubelet, in every pod, for every Service of its namespace:
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
    # what scripts with the Azure CLI call a token that they made
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
    """The problem of each name that is none of the `known` settings, but looks like one; never with a value."""
    return [
        _problem(name, alike)
        for name, text in sorted(environment.items())
        if name not in known and text.strip() and not _foreign(name, text)
        for alike in _suspicion(name, known)
    ]


@functools.cache
def closest(name: str, known: frozenset[str]) -> str | None:
    """The known setting that a name is near to, whatever its case and what stands between its words."""
    normal = {_normal(each): each for each in known}
    found = difflib.get_close_matches(_normal(name), normal, n=1, cutoff=_ALIKE)
    return normal[found[0]] if found and _same_start(_normal(name), found[0]) else None


def _same_start(name: str, ours: str) -> bool:
    """Whether the first words are alike, where ours is so short that SSL_PROTOCOL is near to SAS_PROTOCOL."""
    first, short = name.partition("_")[0], ours.partition("_")[0]
    return len(short) > _SHORT or name.startswith(short) or set(first) <= set(short)


def _foreign(name: str, text: str) -> bool:
    # A Service's `…_PORT` is a URL, where a port of ours is a number.
    linked = name.endswith("_PORT") and _SERVICE_LINK.match(text)
    return bool(linked or _FOREIGN.fullmatch(name) or not _PLAIN.fullmatch(name))


def _suspicion(name: str, known: frozenset[str]) -> Iterator[str | None]:
    """Yield the setting that may be meant, or None for an unknown one of ours; nothing for other programs' names."""
    alike = closest(name, known)
    # The host reads its own settings whatever their case.
    if alike and not (alike.startswith("AzureWebJobs") and alike.lower() == name.lower()):
        yield alike
    elif alike is None and name.upper().startswith(_FAMILIES):
        yield None


def _problem(name: str, alike: str | None) -> str:
    if alike:
        return f"{name} is no setting of the rotator: did you mean {alike}? Rename it, or remove it"
    return (
        f"{name} is no setting of the rotator, though it begins like one: remove it; in a terminal where another "
        f"program needs it, put `env -u {name}` in front of the command"
    )


def _normal(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
