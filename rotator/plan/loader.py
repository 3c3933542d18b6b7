"""Loads the plan from the environment's app settings, and checks how the settings fit together."""

import datetime
import os
import re
from collections.abc import Mapping
from typing import Any

import pydantic
from isodate import duration_isoformat as _text

from rotator import errors, redaction, sas
from rotator.plan import ncrontab, schedule, setting_names
from rotator.plan.plan import Cluster, ManagedAccount, Plan, Target
from rotator.plan.setting_types import validity
from rotator.plan.settings import Settings

# A SAS must outlive the next run by this: kubelet takes up to 90 s to update a mounted Secret, clocks differ, and a run
# takes time (https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically).
MARGIN = datetime.timedelta(minutes=10)
_LONGEST_SHOWN = 100  # characters of a value in an error message
NAMES = frozenset(str(field.alias) for field in Settings.model_fields.values())
_TIME_ZONE = "WEBSITE_TIME_ZONE"
_UTC_NAMES = ("UTC", "ETC/UTC", "GMT", "ETC/GMT")
_SUMMER_TIME = datetime.timedelta(hours=1)
_USUAL_KEY_AGE = datetime.timedelta(days=90)
_NEVER_SHOWN = ("AZURE_CLIENT_ID", "NOTIFY_WEBHOOK_URL")  # a client secret may be here by mistake, or is in the URL


def load(environment: Mapping[str, str] = os.environ) -> Plan:
    """The plan that the settings describe; raises SettingsError with every problem at once."""
    texts = setting_texts(environment)
    problems: list[str] = []
    settings = None
    try:
        settings = Settings.model_validate(texts)
    except pydantic.ValidationError as error:
        problems = [_explain(dict(problem), texts) for problem in error.errors(include_url=False, include_input=False)]
    problems += _problem_of_expiry(texts) + _problem_of_key_rotation(texts) + setting_names.unknown(environment, NAMES)
    if settings is None or problems:
        raise errors.SettingsError(problems)
    return _plan(settings, texts, environment.get(_TIME_ZONE, "").strip())


def setting_texts(environment: Mapping[str, str]) -> dict[str, str]:
    """The rotator's settings in the environment, unparsed. An empty one, as the portal leaves it, counts as not set."""
    return {
        # The Functions host accepts plain spaces around a schedule, but no other blanks.
        name: text.strip(" ") if name == "ROTATION_SCHEDULE" else text.strip()
        for name, text in environment.items()
        if name in NAMES and text.strip()
    }


def _plan(settings: Settings, texts: Mapping[str, str], time_zone: str) -> Plan:
    cluster = Cluster(
        host=settings.kubernetes_dns,
        port=settings.kubernetes_ssh_port,
        user=settings.kubernetes_ssh_username,
        pins=settings.kubernetes_ssh_fingerprint,
        key_secret=settings.kubernetes_ssh_key_secret,
        passphrase_secret=settings.kubernetes_ssh_passphrase_secret,
        kubectl=settings.kubernetes_kubectl,
    )
    target = Target(
        cluster=cluster,
        namespace=settings.kubernetes_namespace,
        secret=settings.kubernetes_secret_name,
        data_key=settings.kubernetes_secret_key,
        encoding=settings.kubernetes_secret_encoding,
        strategy=settings.kubernetes_secret_strategy,
        adopt=settings.kubernetes_secret_adopt,
        keep_foreign=settings.kubernetes_secret_keep_foreign,
    )
    definition = sas.SasDefinition(
        name=settings.sas_definition_name,
        services=settings.sas_services,
        resource_types=settings.sas_resource_types,
        permissions=settings.sas_permissions,
        protocol=settings.sas_protocol,
        validity=settings.sas_validity,
    )
    shortest, longest = schedule.intervals(settings.rotation_schedule)
    return Plan(
        account=ManagedAccount(settings.keyvault_baseurl, settings.keyvault_storage_name),
        definition=definition,
        targets=(target,),
        prove=settings.rotation_prove,
        blob_endpoint=settings.storage_blob_endpoint,
        # If the timer fires twice for one time of the schedule, the second run finds a fresh SAS; the next time's does
        # not.
        fresh_for=shortest / 2,
        schedule=settings.rotation_schedule,
        longest_interval=longest,
        key_rotation_period=settings.key_rotation_period,
        revoke_grace=settings.revoke_grace,
        report_container=settings.report_container,
        webhook=settings.notify_webhook_url,
        client_id=settings.azure_client_id,
        resource_manager=settings.azure_resource_manager,
        warnings=tuple(
            _warnings(settings, longest)
            + _schedule_warnings(settings, longest, time_zone)
            + _webhook_warnings(settings, texts)
        ),
    )


def _warnings(settings: Settings, longest: datetime.timedelta) -> list[str]:
    warnings = [
        f"KUBERNETES_SSH_FINGERPRINT: {pin} is MD5, which can be forged; pin the SHA256 fingerprint instead"
        for pin in settings.kubernetes_ssh_fingerprint
        if pin.weak
    ]
    if settings.sas_validity < 2 * longest + MARGIN:
        warnings.append(
            f"SAS_VALIDITY ({_text(settings.sas_validity)}) is too short to outlive one failed run: with runs up to "
            f"{_text(longest)} apart, that takes {_text(2 * longest + MARGIN)} or more"
        )
    return warnings


def _schedule_warnings(settings: Settings, longest: datetime.timedelta, time_zone: str) -> list[str]:
    """Warn where the host may run the schedule at other times than its reader, or this app, expects."""
    swapped = _backward_ranges(settings.rotation_schedule)
    warnings = [f"ROTATION_SCHEDULE: {swapped}"] if swapped else []
    if time_zone and time_zone.upper() not in _UTC_NAMES:
        # https://learn.microsoft.com/azure/azure-functions/functions-app-settings#website_time_zone
        words = (
            f"{_TIME_ZONE} is set, but the rotator reads ROTATION_SCHEDULE in UTC: Flex Consumption and Linux "
            "Consumption do not support this setting; other plans run the schedule in that time zone, and then the "
            "reported next run is wrong. Remove it, and write the schedule in UTC"
        )
        minimum = longest + _SUMMER_TIME + MARGIN
        if settings.sas_validity < minimum:
            words += (
                f". SAS_VALIDITY is too short for the hour that is added when its summer time ends: it should be at "
                f"least {_text(minimum)}"
            )
        warnings.append(words)
    return warnings


def _backward_ranges(expression: str) -> str:
    """A warning about the ranges that run backwards, empty if there are none; the expression must be valid."""
    ranges = [
        (item, "-".join(reversed(item.partition("/")[0].split("-")))) for item in ncrontab.backward_ranges(expression)
    ]
    return "; ".join(
        f"{item} runs backwards, and NCRONTAB swaps its ends ({swapped}): write a list, or two ranges"
        for item, swapped in ranges
    )


def _webhook_warnings(settings: Settings, texts: Mapping[str, str]) -> list[str]:
    """Warn of an unusable URL. App Service sets a Key Vault reference that it cannot resolve as the value itself.

    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    if settings.notify_webhook_url is None and "NOTIFY_WEBHOOK_URL" in texts:
        reference = texts["NOTIFY_WEBHOOK_URL"].startswith("@Microsoft.KeyVault(")
        what = "a Key Vault reference that App Service could not resolve" if reference else "no https:// URL"
        return [f"NOTIFY_WEBHOOK_URL is {what}: nobody is notified"]
    return []


def _problem_of_expiry(texts: Mapping[str, str]) -> list[str]:
    """Whether a SAS would expire before the next run replaces it. Only if both settings are valid."""
    try:
        lifetime = validity(texts.get("SAS_VALIDITY", "PT4H"))
        expression = texts.get("ROTATION_SCHEDULE", schedule.DEFAULT)
        _, longest = schedule.intervals(expression)
    except ValueError:
        return []  # already reported, each under its own name
    if lifetime >= longest + MARGIN:
        return []
    minimum = longest + MARGIN
    swapped = _backward_ranges(expression)
    return [
        f"SAS_VALIDITY is too short: runs of ROTATION_SCHEDULE are up to {_text(longest)} apart, so a SAS must live at "
        f"least {_text(minimum)}, or it expires before it is replaced; for example {_text(longest + minimum)}"
        + (f". In ROTATION_SCHEDULE {swapped}" if swapped else "")
    ]


def _problem_of_key_rotation(texts: Mapping[str, str]) -> list[str]:
    """Whether a key would be regenerated while a SAS that it signed may still be valid."""
    try:
        lifetime = validity(texts.get("SAS_VALIDITY", "PT4H"))
        period = validity(texts["KEY_ROTATION_PERIOD"])
        _, longest = schedule.intervals(texts.get("ROTATION_SCHEDULE", schedule.DEFAULT))
    except (KeyError, ValueError):
        return []  # without key rotation, or already reported
    minimum = lifetime + longest + MARGIN
    if period >= minimum:
        return []
    return [
        f"KEY_ROTATION_PERIOD is too short: a key may be regenerated only when every SAS that it signed has expired, "
        f"which takes {_text(minimum)} with this SAS_VALIDITY and ROTATION_SCHEDULE; "
        f"for example {_text(max(minimum, _USUAL_KEY_AGE))}"
    ]


def _explain(problem: dict[str, Any], texts: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    field = next(field for field in Settings.model_fields.values() if field.alias == name)
    example = f"for example {field.examples[0]}" if field.examples else ""
    if problem["type"] == "missing":
        return f"{name} is missing: {field.description}; {example}"
    reason = str(problem["ctx"]["error"]) if "error" in problem.get("ctx", {}) else problem["msg"]
    # A passphrase or a client secret may be in one of these by mistake.
    shown = "" if name.endswith("_SECRET") or name in _NEVER_SHOWN else _in_brackets(texts.get(name, ""))
    return f"{name} is wrong{shown}: {reason[:1].lower()}{reason[1:]}; {example}"


def _in_brackets(text: str) -> str:
    """The value in brackets, but not if it is long or may be a secret that was put into the wrong setting."""
    may_be_secret = redaction.scrub(text) != text or re.search(r"(?i)key=|password|://[^/]*@|[\w~.+/-]{40,}", text)
    return "" if may_be_secret or len(text) > _LONGEST_SHOWN or "\n" in text else f" ({text})"
