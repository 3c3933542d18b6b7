"""Kubernetes' own types of Secrets, and the data keys that each of them requires.

https://kubernetes.io/docs/concepts/configuration/secret/#secret-types. The API server refuses a Secret without them
(ValidateSecret in pkg/apis/core/validation); a bootstrap token it takes, and nothing can use it.
"""

from collections.abc import Collection, Mapping

OPAQUE = "Opaque"
# Kubernetes' controller writes the data of such a Secret, and deletes one without a service account.
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  # a type's name
_BASIC_AUTH = "kubernetes.io/basic-auth"
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "bootstrap.kubernetes.io/token": ("token-id", "token-secret"),
}
_CREDENTIALS = ("username", "password")  # of which basic-auth requires one
_ALL = (OPAQUE, SERVICE_ACCOUNT_TOKEN, _BASIC_AUTH, *_REQUIRED)


def missing(secret_type: str, data_keys: Collection[str]) -> str:
    """The data keys that this type requires and the Secret has not, in words; "" if it has all."""
    if secret_type == _BASIC_AUTH:
        return "" if set(_CREDENTIALS) & set(data_keys) else " or ".join(_CREDENTIALS)
    return " and ".join(name for name in _REQUIRED.get(secret_type, ()) if name not in data_keys)


def in_right_case(secret_type: str) -> str | None:
    """Kubernetes' own type that differs from this one in case only, and so is meant; None if there is none."""
    return next((each for each in _ALL if each.lower() == secret_type.lower() and each != secret_type), None)
