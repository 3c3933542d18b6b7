"""Settings, read from the environment and validated at once, into a plan."""

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

# What a SAS must live beyond the next run: a Secret takes up to 90 s into a pod, clocks differ, a run takes time.
MARGIN = datetime.timedelta(minutes=10)
_LONGEST_SHOWN = 100
NAMES = frozenset(str(field.alias) for field in Settings.model_fields.values())
_TIME_ZONE = "WEBSITE_TIME_ZONE"
_NO_SHIFT = ("UTC", "ETC/UTC", "GMT", "ETC/GMT")
_SUMMER_TIME = datetime.timedelta(hours=1)
_QUARTER = datetime.timedelta(days=90)  # a usual age for keys
_NEVER_SHOWN = ("AZURE_CLIENT_ID", "NOTIFY_WEBHOOK_URL")


def load(environment: Mapping[str, str] = os.environ) -> Plan:
    """The plan that the settings describe; raises SettingsError with every problem at once."""
    texts = given(environment)
    problems: list[str] = []
    settings = None
    try:
        settings = Settings.model_validate(texts)
    except pydantic.ValidationError as error:
        problems = [_explain(dict(problem), texts) for problem in error.errors(include_url=False, include_input=False)]
    problems += _gap(texts) + _too_often(texts) + setting_names.unknown(environment, NAMES)
    if settings is None or problems:
        raise errors.SettingsError(problems)
    return _plan(settings, texts, environment.get(_TIME_ZONE, "").strip())


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment's settings as they are written; an app setting that was emptied in the portal is none."""
    return {
        # The host reads the schedule as it stands, and takes no blank around it but a space.
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
        # A second firing of the same moment finds a fresh SAS; the next moment of the schedule does not.
        fresh_for=shortest / 2,
        schedule=settings.rotation_schedule,
        longest=longest,
        key_rotation_period=settings.key_rotation_period,
        revoke_grace=settings.revoke_grace,
        report_container=settings.report_container,
        webhook=settings.notify_webhook_url,
        client_id=settings.azure_client_id,
        resource_manager=settings.azure_resource_manager,
        warnings=tuple(
            _warnings(settings, longest) + _of_the_clock(settings, longest, time_zone) + _unresolved(settings, texts)
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
            f"SAS_VALIDITY ({_text(settings.sas_validity)}) outlives one failed run only from "
            f"{_text(2 * longest + MARGIN)} on, with runs up to {_text(longest)} apart"
        )
    return warnings


def _of_the_clock(settings: Settings, longest: datetime.timedelta, time_zone: str) -> list[str]:
    """Where the schedule may mean other times to the host than to its reader, or to this app."""
    swapped = _swapped(settings.rotation_schedule)
    warnings = [f"ROTATION_SCHEDULE: {swapped}"] if swapped else []
    if time_zone and time_zone.upper() not in _NO_SHIFT:
        # https://learn.microsoft.com/azure/azure-functions/functions-app-settings#website_time_zone
        words = (
            f"{_TIME_ZONE} is set, and ROTATION_SCHEDULE is read here in UTC: Flex Consumption and Linux Consumption "
            "do not support it, and where the host does shift the schedule, the next run is told wrong by as much; "
            "remove it, and write the schedule in UTC"
        )
        least = longest + _SUMMER_TIME + MARGIN
        if settings.sas_validity < least:
            words += (
                f". When its clock goes back an hour, SAS_VALIDITY is too short: it should be {_text(least)} at least"
            )
        warnings.append(words)
    return warnings


def _swapped(expression: str) -> str:
    """What is to be said of ranges that run backwards, if there are any; the expression must be a good one."""
    ranges = [(item, "-".join(reversed(item.partition("/")[0].split("-")))) for item in ncrontab.swapped(expression)]
    return "; ".join(
        f"{item} runs backwards, and NCRONTAB swaps its ends ({swapped}): write what is meant as a list, or as two "
        "ranges"
        for item, swapped in ranges
    )


def _unresolved(settings: Settings, texts: Mapping[str, str]) -> list[str]:
    """App Service hands on as it is a Key Vault reference that it cannot resolve."""
    if settings.notify_webhook_url is None and "NOTIFY_WEBHOOK_URL" in texts:
        reference = texts["NOTIFY_WEBHOOK_URL"].startswith("@Microsoft.KeyVault(")
        what = "a Key Vault reference that App Service could not resolve" if reference else "no https:// URL"
        return [f"NOTIFY_WEBHOOK_URL is {what}: nobody is notified"]
    return []


def _gap(given: Mapping[str, str]) -> list[str]:
    """The problem of a SAS that would expire before the next run replaces it, when both settings are sound."""
    try:
        lifetime = validity(given.get("SAS_VALIDITY", "PT4H"))
        expression = given.get("ROTATION_SCHEDULE", schedule.DEFAULT)
        _, longest = schedule.intervals(expression)
    except ValueError:
        return []  # reported already, each under its own name
    if lifetime >= longest + MARGIN:
        return []
    least = longest + MARGIN
    swapped = _swapped(expression)
    return [
        f"SAS_VALIDITY is too short: runs of ROTATION_SCHEDULE are up to {_text(longest)} apart, so a SAS must live at "
        f"least {_text(least)} or consumers are left without one; for example {_text(longest + least)}"
        + (f". In ROTATION_SCHEDULE {swapped}" if swapped else "")
    ]


def _too_often(given: Mapping[str, str]) -> list[str]:
    """The problem of keys that would be regenerated while SAS that they signed may live."""
    try:
        lifetime = validity(given.get("SAS_VALIDITY", "PT4H"))
        period = validity(given["KEY_ROTATION_PERIOD"])
        _, longest = schedule.intervals(given.get("ROTATION_SCHEDULE", schedule.DEFAULT))
    except (KeyError, ValueError):
        return []  # off, or reported already
    least = lifetime + longest + MARGIN
    if period >= least:
        return []
    return [
        f"KEY_ROTATION_PERIOD is too short: a key may be regenerated only when no SAS that it signed lives any more, "
        f"with SAS_VALIDITY and ROTATION_SCHEDULE after {_text(least)} at the earliest; "
        f"for example {_text(max(least, _QUARTER))}"
    ]


def _explain(problem: dict[str, Any], given: Mapping[str, str]) -> str:
    name = str(problem["loc"][0])
    field = next(field for field in Settings.model_fields.values() if field.alias == name)
    example = f"for example {field.examples[0]}" if field.examples else ""
    if problem["type"] == "missing":
        return f"{name} is missing: {field.description}; {example}"
    reason = str(problem["ctx"]["error"]) if "error" in problem.get("ctx", {}) else problem["msg"]
    # These are where a passphrase or a client secret is put by mistake.
    shown = "" if name.endswith("_SECRET") or name in _NEVER_SHOWN else _shown(given.get(name, ""))
    return f"{name} is wrong{shown}: {reason[:1].lower()}{reason[1:]}; {example}"


def _shown(text: str) -> str:
    """The value in brackets where that helps, but nothing that may be a secret put into the wrong setting."""
    secretive = redaction.scrub(text) != text or re.search(r"(?i)key=|password|://[^/]*@|[\w~.+/-]{40,}", text)
    return "" if secretive or len(text) > _LONGEST_SHOWN or "\n" in text else f" ({text})"
