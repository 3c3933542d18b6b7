"""What another issuer changes in the settings: those to set, those to remove, and those that nobody can conclude."""

import dataclasses
from collections.abc import Mapping

from rotator import errors
from rotator.plan import issuer_rules, loader
from rotator.plan.account import Account, Grant, IssuerKind
from rotator.plan.plan import Plan

# Stands for a container that nobody has named yet.
_ANY_CONTAINER = "container"
_REMOVED = ""  # an empty setting counts as none


@dataclasses.dataclass(frozen=True)
class IssuerChange:
    """A change from the `former` plan to another issuer.

    `settings` are those to set, an empty one to be removed; `problems` are what they cannot settle, as SettingsError
    has it. `plan` is the plan afterwards, None where not even its roles can be looked up. `container_known` is False
    for a plan whose container is only a stand-in.
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
    try:
        return loader.load(environment)
    except errors.SettingsError:
        early = {Grant.usual_origin(field) for field in issuer_rules.ONLY_SIGNED_HERE}
        if early.isdisjoint(loader.setting_texts(environment)):
            raise
        return loader.load({name: text for name, text in environment.items() if name not in early})


def propose(
    environment: Mapping[str, str], former: Plan, issuer: IssuerKind, storage_account: str | None = None
) -> IssuerChange:
    """Return the change to an issuer; `storage_account` is the account's resource id, where it is known otherwise."""
    texts = loader.setting_texts(environment)
    wanted = _wanted(texts, former, issuer, storage_account)
    changed = {name: text for name, text in wanted.items() if texts.get(name, _REMOVED) != text}
    following = {**environment, **changed}
    plan, problems = _load(following)
    container = Grant.usual_origin("container")
    if plan is not None or container in texts or issuer is not IssuerKind.USERDELEGATION:
        return IssuerChange(former, issuer, changed, problems, plan)
    plan, others = _load({**following, container: _ANY_CONTAINER})
    return IssuerChange(former, issuer, changed, problems, None if others else plan, container_known=False)


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
        wanted |= _removed(texts, *issuer_rules.ONLY_SIGNED_HERE)
        managed = Account.usual_origin("managed_account")
        if managed not in texts and former.account.name:  # under which onboarding has the vault manage it
            wanted[managed] = former.account.name
    else:
        wanted |= _signed_here(texts, issuer, storage_account)
    return wanted | _permissions(texts, issuer)


def _signed_here(texts: Mapping[str, str], issuer: IssuerKind, storage_account: str | None) -> dict[str, str]:
    name = Account.usual_origin("storage_account")
    wanted = {name: storage_account} if storage_account and name not in texts else {}
    in_container = Grant.usual_origin("container") in texts
    if in_container or issuer is IssuerKind.USERDELEGATION:
        wanted |= _removed(texts, *issuer_rules.ONLY_OF_ACCOUNTS)
    return wanted


def _removed(texts: Mapping[str, str], *fields: str) -> dict[str, str]:
    names = map(Grant.usual_origin, fields)
    return {name: _REMOVED for name in names if name in texts}


def _permissions(texts: Mapping[str, str], issuer: IssuerKind) -> dict[str, str]:
    """Leave out what SAS of that issuer cannot allow."""
    name = Grant.usual_origin("permissions")
    in_container = issuer is not IssuerKind.KEYVAULT and Grant.usual_origin("container") in texts
    known = issuer_rules.known_permissions(
        issuer, in_container=in_container, in_blob=in_container and Grant.usual_origin("blob") in texts
    )
    return {name: "".join(letter for letter in texts[name] if letter in known)} if name in texts else {}
