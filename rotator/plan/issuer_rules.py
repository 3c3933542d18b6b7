"""What each issuer needs of the plan, and what it cannot do: wrong combinations, named where they were written.

What a SAS of each kind may allow: https://learn.microsoft.com/rest/api/storageservices/create-service-sas,
…/create-account-sas and …/create-user-delegation-sas.
"""

import dataclasses
import datetime
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from isodate import duration_isoformat as _text

from rotator import sas
from rotator.plan import problems, setting_types, settings
from rotator.plan.account import Account, Grant, IssuerKind, account_at, blob_suffix
from rotator.plan.consistency import Written
from rotator.plan.model import Model
from rotator.plan.plan import Plan

# A SAS that is signed here begins this long ago, as clocks differ, and a new user delegation key takes effect late.
BACKDATED = datetime.timedelta(minutes=15)
# A user delegation key lives at most 7 days, and the SAS with it
# (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
LONGEST_DELEGATION = datetime.timedelta(days=7)
_ACCOUNT_PERMISSIONS = "rwdlacupxytfi"
_CONTAINER_PERMISSIONS = "rwdlacxytfmei"
_BLOB_PERMISSIONS = "rwdacxytmei"
ONLY_SIGNED_HERE = ("container", "prefix", "blob", "ip", "encryption_scope")
ONLY_OF_ACCOUNTS = ("services", "resource_types")
_PUBLIC_BLOB = ".blob."

Values = Mapping[str, Written[Any]]


def problems_of(account: Values, grant: Values) -> list[str]:
    """What does not fit together, of the fields that are written; the value of one that is wrong by itself is None."""
    kind = _value(account, "issuer") or IssuerKind.KEYVAULT
    found = _missing(kind, account, grant)
    found += _of_keyvault(grant) if kind is IssuerKind.KEYVAULT else list(_of_containers(kind, grant))
    found += _permissions(kind, grant)
    if kind is IssuerKind.USERDELEGATION:
        found += _of_delegation(grant)
    return found + list(_other_account(kind, account))


def warnings(plan: Plan) -> list[str]:
    """What an issuer leaves without effect."""
    account = plan.account
    if account.issuer.has_account_keys or account.key_rotation_period is None:
        return []
    return [
        f"{account.origin('key_rotation_period')} has no effect with {account.assignment('issuer', account.issuer)}: "
        "no account key signs its SAS. Remove it, and disallow shared key access on the account, or rotate its keys "
        "another way"
    ]


def _missing(kind: IssuerKind, account: Values, grant: Values) -> list[str]:
    if kind is IssuerKind.KEYVAULT:
        return [] if "managed_account" in account else [_is_missing(Account, "managed_account")]
    if kind is IssuerKind.STORAGEKEY:
        return [] if "storage_account" in account else [_is_missing(Account, "storage_account")]
    found = []
    if not {"storage_account", "blob_endpoint"} & account.keys():
        endpoint = Account.usual_origin("blob_endpoint")
        found.append(f"{_is_missing(Account, 'storage_account')}; {endpoint} is enough where nothing is to be revoked")
    found += _unknown_place(account)
    if "container" not in grant:
        found.append(f"{_is_missing(Grant, 'container')}; there is no user delegation SAS for a whole account")
    return found


def _unknown_place(account: Values) -> list[str]:
    """What keeps the account's name or its endpoint from being concluded from the other one."""
    vault, endpoint = _value(account, "vault"), _value(account, "blob_endpoint")
    if "storage_account" in account and "blob_endpoint" not in account and vault and not blob_suffix(vault):
        return [f"{_is_missing(Account, 'blob_endpoint')}; the cloud of this vault is not known"]
    if "storage_account" in account or not endpoint or account_at(endpoint):
        return []
    return [
        f"{_is_missing(Account, 'storage_account')}; {account['blob_endpoint'].origin} does not say the account's name"
    ]


def _is_missing(model: type[Model], field: str) -> str:
    setting = settings.find(model, field).setting
    return problems.explain(setting.name, setting, None, "")


def _of_keyvault(grant: Values) -> list[str]:
    issuer = Account.usual_origin("issuer")
    return [
        f"{grant[field].origin} is not for {issuer}={IssuerKind.KEYVAULT}, whose SAS are for the whole account: remove "
        f"it, or set {issuer}={IssuerKind.USERDELEGATION} (or {IssuerKind.STORAGEKEY})"
        for field in ONLY_SIGNED_HERE
        if field in grant
    ]


def _of_containers(kind: IssuerKind, grant: Values) -> Iterator[str]:
    container = Grant.usual_origin("container")
    if "container" not in grant:
        for field in ("prefix", "blob"):
            if field in grant and kind is not IssuerKind.USERDELEGATION:  # where the container is missing anyway
                yield f"{grant[field].origin} is a part of a container: set {container} too, or remove it"
        return
    if "prefix" in grant and "blob" in grant:
        yield f"{grant['prefix'].origin} and {grant['blob'].origin} exclude each other: remove one of them"
    otherwise = "" if kind is IssuerKind.USERDELEGATION else f", or remove {grant['container'].origin}"
    yield from _only_of_accounts(grant, otherwise)


def _only_of_accounts(grant: Values, otherwise: str = "") -> Iterator[str]:
    for field in ONLY_OF_ACCOUNTS:
        if field in grant:
            yield f"{grant[field].origin} is not for a SAS of a container, which is for blobs: remove it{otherwise}"


def _permissions(kind: IssuerKind, grant: Values) -> Iterator[str]:
    written = grant.get("permissions")
    known = known_permissions(kind, in_container="container" in grant, in_blob="blob" in grant)
    if written is not None and set(written.value or "") - set(known):
        in_blob = "blob" in grant
        reason = setting_types.letters_rule(known) + (", and one blob is not listed (l)" if in_blob else "")
        setting = settings.find(Grant, "permissions").setting
        if "container" in grant:
            setting = dataclasses.replace(setting, example="r" if in_blob else "rl")
        yield problems.explain(written.origin, setting, written.value, reason)


def known_permissions(kind: IssuerKind, *, in_container: bool, in_blob: bool) -> str:
    """Return the permission letters of an issuer's SAS: for the account, in a container, or in one blob."""
    if kind is IssuerKind.KEYVAULT:
        return sas.PERMISSIONS
    if not in_container and kind is IssuerKind.STORAGEKEY:
        return _ACCOUNT_PERMISSIONS
    return _BLOB_PERMISSIONS if in_blob else _CONTAINER_PERMISSIONS


def _of_delegation(grant: Values) -> Iterator[str]:
    validity, longest = grant.get("validity"), LONGEST_DELEGATION - BACKDATED
    if validity and validity.value and validity.value > longest:
        yield (
            f"{validity.origin} is too long: a user delegation key lives {_text(LONGEST_DELEGATION)}, and a SAS begins "
            f"{_text(BACKDATED)} before it is signed, so at most {_text(longest)} are left"
        )
    if "container" not in grant:
        yield from _only_of_accounts(grant)


def _other_account(kind: IssuerKind, account: Values) -> Iterator[str]:
    """Find an endpoint that is another account's, where its host says so."""
    resource, endpoint = account.get("storage_account"), account.get("blob_endpoint")
    if not (kind.signs_here and resource and resource.value and endpoint and endpoint.value):
        return
    host = urllib.parse.urlsplit(endpoint.value).hostname or ""
    name = resource.value.rpartition("/")[2].lower()
    if _PUBLIC_BLOB in host and host.partition(".")[0] not in (name, f"{name}-secondary"):
        yield f"{endpoint.origin} is the endpoint of another account than {resource.origin}: correct one of them"


def _value(values: Values, field: str) -> Any:
    return values[field].value if field in values else None
