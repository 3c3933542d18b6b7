"""What another issuer changes in the settings: those to set, those to remove, and those that nobody can conclude."""

import dataclasses
from collections.abc import Iterable, Mapping

from rotator import errors
from rotator.plan import issuer_rules, loader
from rotator.plan.account import Account, Grant, IssuerKind
from rotator.plan.plan import Plan

# Stands for a container that nobody has named yet.
_ANY_CONTAINER = "container"
_REMOVED = ""  # an empty setting counts as none
_CONTAINER = "<container>"
_ACCOUNT = "<resource id of the storage account>"
_MANAGED_ACCOUNT = "<name of the managed account>"
# What operators have to fill in: settings with such a value are not set yet.
_PLACEHOLDERS = frozenset({_CONTAINER, _ACCOUNT, _MANAGED_ACCOUNT})


@dataclasses.dataclass(frozen=True)
class IssuerChange:
    """A change from the `former` plan to another issuer.

    `settings` are all that the issuer needs, set already or not, as the function app may have others than the
    environment: an empty one is to be removed, one in angle brackets to be filled in. `problems` are what they cannot
    settle, as SettingsError has it. `plan` is the plan afterwards, None where not even its roles can be looked up.
    `container_known` is False for a plan whose container is only a stand-in.
    """

    former: Plan
    issuer: IssuerKind
    settings: Mapping[str, str]
    problems: tuple[str, ...]
    plan: Plan | None
    container_known: bool = True


def former_plan(environment: Mapping[str, str]) -> Plan:
    """Return the present plan; raises SettingsError.

    What only the next issuer takes, such as SAS_CONTAINER beside Key Vault, may be set already.
    """
    early = {Grant.usual_origin(field) for field in issuer_rules.ONLY_SIGNED_HERE}
    try:
        return loader.load(environment)
    except errors.SettingsError as error:
        try:
            return loader.load({name: text for name, text in environment.items() if name not in early})
        except errors.SettingsError:
            raise error from None  # which is about the settings as they are


def propose(
    environment: Mapping[str, str], former: Plan, issuer: IssuerKind, storage_account: str | None = None
) -> IssuerChange:
    """Return the change to an issuer; `storage_account` is the account's resource id, where it is known otherwise."""
    texts = loader.setting_texts(environment)
    wanted = _wanted(texts, former, issuer, storage_account)
    following = {**environment, **{name: text for name, text in wanted.items() if text not in _PLACEHOLDERS}}
    plan, problems = _load(following)
    container = Grant.usual_origin("container")
    if plan is not None or container in texts or issuer is not IssuerKind.USERDELEGATION:
        return IssuerChange(former, issuer, wanted, problems, plan)
    plan, others = _load({**following, container: _ANY_CONTAINER})
    return IssuerChange(former, issuer, wanted, problems, None if others else plan, container_known=False)


def _load(environment: Mapping[str, str]) -> tuple[Plan | None, tuple[str, ...]]:
    try:
        return loader.load(environment), ()
    except errors.SettingsError as error:
        return None, tuple(error.problems)


def _wanted(texts: Mapping[str, str], former: Plan, issuer: IssuerKind, storage_account: str | None) -> dict[str, str]:
    if issuer is former.account.issuer:
        return {}
    wanted = {Account.usual_origin("issuer"): str(issuer)}
    if issuer is IssuerKind.KEYVAULT:
        managed = Account.usual_origin("managed_account")  # under which onboarding has the vault manage it
        wanted[managed] = texts.get(managed) or former.account.name or _MANAGED_ACCOUNT
        return wanted | _removed(issuer_rules.ONLY_SIGNED_HERE) | _permissions(former, issuer, in_container=False)
    in_container = issuer is IssuerKind.USERDELEGATION or Grant.usual_origin("container") in texts
    wanted |= _account(texts, issuer, storage_account) | _narrowed(texts, former, in_container=in_container)
    wanted |= _permissions(former, issuer, in_container=in_container, in_blob=Grant.usual_origin("blob") in texts)
    return wanted | (_removed(issuer_rules.ONLY_OF_ACCOUNTS) if in_container else {})


def _account(texts: Mapping[str, str], issuer: IssuerKind, storage_account: str | None) -> dict[str, str]:
    name, endpoint = Account.usual_origin("storage_account"), Account.usual_origin("blob_endpoint")
    found = texts.get(name) or storage_account
    if not found and issuer is IssuerKind.USERDELEGATION and endpoint in texts:  # which is enough for that one
        return {endpoint: texts[endpoint]}
    return {name: found or _ACCOUNT}


def _narrowed(texts: Mapping[str, str], former: Plan, *, in_container: bool) -> dict[str, str]:
    """Return what makes the SAS one for less than an account.

    An app with Key Vault as the issuer has none of it; one with another issuer may have a part that is not wanted now.
    """
    container = Grant.usual_origin("container")
    wanted = {container: texts.get(container, _CONTAINER)} if in_container else {}
    if in_container and former.account.issuer.signs_here:
        wanted |= _removed(("prefix", "blob"))
    names = map(Grant.usual_origin, issuer_rules.ONLY_SIGNED_HERE)
    return wanted | {name: texts[name] for name in names if name in texts}


def _removed(fields: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(map(Grant.usual_origin, fields), _REMOVED)


def _permissions(former: Plan, issuer: IssuerKind, *, in_container: bool, in_blob: bool = False) -> dict[str, str]:
    """Return the present permissions without those that SAS of that issuer cannot allow.

    What was set for a container is removed from an account SAS: consumers had more before they had one for a container,
    and nobody recorded what.
    """
    name = Grant.usual_origin("permissions")
    if issuer is IssuerKind.KEYVAULT and former.grant.container is not None:
        return {name: _REMOVED}
    known = issuer_rules.known_permissions(issuer, in_container=in_container, in_blob=in_container and in_blob)
    return {name: "".join(letter for letter in former.grant.permissions if letter in known)}
