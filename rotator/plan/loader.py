"""Loads the plan from the environment's app settings, and checks how the settings fit together."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

from rotator import errors
from rotator.plan import consistency, issuer_rules, secret_consistency, secret_needs, setting, setting_names, settings
from rotator.plan.account import Account, Grant, IssuerKind
from rotator.plan.consistency import Written
from rotator.plan.host_storage import HostStorageSettings
from rotator.plan.model import Model
from rotator.plan.plan import Plan, Target

NAMES = frozenset(settings.ALL)
_SCHEDULE = settings.find(Plan, "schedule").setting.name


def load(environment: Mapping[str, str] = os.environ) -> Plan:
    """The plan that the settings describe; raises SettingsError with every problem at once."""
    texts, unused = _without_unused(setting_texts(environment))
    plan, problems = None, []
    try:
        plan = settings.read(Plan, texts)
    except errors.SettingsError as error:
        problems += error.problems
    problems += _problems_of_host_storage(texts)
    problems += _problems_together(texts) + _problems_of_secret(texts)
    problems += setting_names.unknown(environment, NAMES)
    if plan is None or problems:
        raise errors.SettingsError(problems)
    warnings = consistency.warnings(plan, environment.get(consistency.TIME_ZONE, "").strip())
    warnings += unused + issuer_rules.warnings(plan)
    warnings += secret_consistency.warnings(plan) + secret_needs.warnings(plan)
    warnings += _webhook_warnings(plan, texts)
    return dataclasses.replace(plan, warnings=tuple(warnings))


def _without_unused(texts: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Leave out an account's id that is none, where Key Vault is the issuer, which needs none; return a warning too.

    Earlier versions knew no such setting, so that others may have used the name.
    """
    name, issuer = Account.usual_origin("storage_account"), Account.usual_origin("issuer")
    if name not in texts or texts.get(issuer, IssuerKind.KEYVAULT) != IssuerKind.KEYVAULT:
        return texts, []
    if _written(Account, "storage_account", texts):
        return texts, []
    warning = f"{name} is no storage account's resource id, and was ignored: {IssuerKind.KEYVAULT} needs none"
    return {each: text for each, text in texts.items() if each != name}, [warning]


def resource_manager(environment: Mapping[str, str] = os.environ) -> str:
    """Resource Manager's URL, for what needs no plan; raises SettingsError for a wrong one."""
    found: str = settings.read_one(settings.find(Plan, "resource_manager"), setting_texts(environment))
    return found


def setting_texts(environment: Mapping[str, str]) -> dict[str, str]:
    """The rotator's settings in the environment, unparsed. An empty one, as the portal leaves it, counts as not set."""
    return {
        # The Functions host accepts plain spaces around a schedule, but no other blanks.
        name: text.strip(" ") if name == _SCHEDULE else text.strip()
        for name, text in environment.items()
        if name in NAMES and text.strip()
    }


def _problems_of_host_storage(texts: Mapping[str, str]) -> list[str]:
    try:
        settings.read(HostStorageSettings, texts)
    except errors.SettingsError as error:
        return error.problems
    return []


def _problems_together(texts: Mapping[str, str]) -> list[str]:
    """How settings fit together, as far as each is valid: those that are not are reported under their own names."""
    return _problems_of_issuer(texts) + _problems_of_times(texts)


def _problems_of_issuer(texts: Mapping[str, str]) -> list[str]:
    account = _all_written(Account, texts)
    if "issuer" in account and account["issuer"].value is None:
        return []  # what it needs is not known
    return issuer_rules.problems_of(account, _all_written(Grant, texts))


def _all_written(model: type[Model], texts: Mapping[str, str]) -> dict[str, Written[Any]]:
    """The fields of this model whose settings are set; None is the value of one that is wrong by itself."""
    fields = {field.name: setting.of(field) for field in dataclasses.fields(model)}
    names = {field: each.name for field, each in fields.items() if each and each.name in texts}
    return {field: _written(model, field, texts) or Written(None, name) for field, name in names.items()}


def _problems_of_times(texts: Mapping[str, str]) -> list[str]:
    validity = _written(Grant, "validity", texts)
    times = _written(Plan, "schedule", texts)
    period = _written(Account, "key_rotation_period", texts)
    if validity is None or times is None:
        return []
    problems = consistency.problems_of_expiry(validity, times)
    if period is not None and period.value is not None:
        problems += consistency.problems_of_key_rotation(period, validity, times)
    return problems


def _problems_of_secret(texts: Mapping[str, str]) -> list[str]:
    """How the settings about the Secret's data fit together, and to where SAS come from; as above."""
    named = {field: _name(field) for field in ("data", "preset", "data_key", "encoding") if _name(field) in texts}
    one_key = [named[field] for field in ("data_key", "encoding") if field in named]
    problems = secret_consistency.problems_of_choices(named.get("data"), named.get("preset"), one_key)
    for choice in _choices(texts):
        problems += secret_consistency.problems_of_placeholders(choice, _origin_of_sas(texts))
        problems += _problems_of_connection_string(choice, texts)
    return problems + _problems_of_type(texts)


def _choices(texts: Mapping[str, str]) -> Iterator[secret_consistency.Choice]:
    data, preset = _written(Target, "data", texts), _written(Target, "preset", texts)
    if data and data.value is not None:
        yield secret_consistency.of_data(data.origin, data.value)
    if preset and preset.value is not None:
        yield secret_consistency.of_preset(preset.origin, preset.value)


def _problems_of_type(texts: Mapping[str, str]) -> list[str]:
    secret_type, one = _written(Target, "type", texts), _written(Target, "data_key", texts)
    named = [Written(each.data_keys, each.origin) for each in _choices(texts)]
    if not named and one and not {_name("data"), _name("preset")} & texts.keys():  # otherwise one of those is wrong
        named = [Written(frozenset({one.value}), one.origin)]
    if secret_type is None or len(named) != 1:
        return []
    return secret_consistency.problems_of_type(secret_type, named[0])


def _problems_of_connection_string(choice: secret_consistency.Choice, texts: Mapping[str, str]) -> list[str]:
    services, endpoint = _written(Grant, "services", texts), _written(Account, "blob_endpoint", texts)
    if services is None or endpoint is None:
        return []
    return secret_needs.problems_of_connection_string(choice, services, endpoint)


def _origin_of_sas(texts: Mapping[str, str]) -> secret_consistency.Origin:
    issuer = _written(Account, "issuer", texts)
    return secret_consistency.Origin(
        has_keys=issuer is None or issuer.value is IssuerKind.STORAGEKEY,  # a wrong one is reported by itself
        with_keys=f"{Account.usual_origin('issuer')}={IssuerKind.STORAGEKEY}",
        has_container=settings.find(Grant, "container").setting.name in texts,
        with_container=Grant.usual_origin("container"),
    )


def _name(field: str) -> str:
    return settings.find(Target, field).setting.name


def _written(model: type[Model], field: str, texts: Mapping[str, str]) -> Written[Any] | None:
    entry = settings.find(model, field)
    try:
        return Written(settings.value(entry, texts), entry.setting.name)
    except ValueError:
        return None


def _webhook_warnings(plan: Plan, texts: Mapping[str, str]) -> list[str]:
    """Warn of an unusable URL. App Service sets a Key Vault reference that it cannot resolve as the value itself.

    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    name = plan.origin("webhook")
    if plan.webhook is not None or name not in texts:
        return []
    reference = texts[name].startswith("@Microsoft.KeyVault(")
    what = "a Key Vault reference that App Service could not resolve" if reference else "no https:// URL"
    return [f"{name} is {what}: nobody is notified"]
