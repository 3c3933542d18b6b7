"""From the options of `onboard`, environment variables and files to the request of an onboarding."""

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path

from rotator import errors
from rotator.delivery.errors import PrivateKeyError
from rotator.onboarding.request import Master, OnboardingRequest
from rotator.plan import host_keys, loader, settings
from rotator.plan.account import Account, IssuerKind
from rotator.plan.plan import Cluster, Plan
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText

FINGERPRINT = Cluster.usual_origin("fingerprints")
# Of the process that runs onboarding; the function app has its own.
_HOST_SETTINGS = ("AzureWebJobsStorage", "AZURE_CLIENT_ID")


@dataclasses.dataclass(frozen=True)
class OnboardOptions:
    """The options of the command; `--help` explains each."""

    storage_account: ResourceId
    vault: ResourceId
    function_app: ResourceId | None
    app_principal: str | None
    key_vault_principal: str | None
    active_key: str
    auto_regenerate: bool | None
    regeneration_period: datetime.timedelta | None
    key_rotation: bool
    ssh_key: Path | None
    passphrase_file: Path | None
    unseen_host: bool
    dry_run: bool
    yes: bool
    save_settings: Path | None
    as_json: bool
    issuer: IssuerKind | None = None


def make(options: OnboardOptions, environment: Mapping[str, str]) -> OnboardingRequest:
    """Return the request; raises SettingsError, or PrivateKeyError for a file that cannot be read."""
    given = loader.setting_texts(environment)
    if options.issuer is not None:
        given[Account.usual_origin("issuer")] = str(options.issuer)
    if given.get(Account.usual_origin("issuer"), IssuerKind.KEYVAULT) == IssuerKind.KEYVAULT:
        given.setdefault(Account.usual_origin("managed_account"), options.storage_account.name)
    else:
        given[Account.usual_origin("storage_account")] = options.storage_account.text
    pinned = FINGERPRINT in given
    # Without a pin every other setting is validated all the same, before the master is asked for its key.
    plan = loader.load({**environment, **({} if pinned else {FINGERPRINT: host_keys.EXAMPLE}), **given})
    _check_options(options, plan, pinned=pinned)
    return OnboardingRequest(
        plan=plan,
        vault=options.vault,
        account=options.storage_account,
        function_app=options.function_app,
        app_principal=options.app_principal or None,
        key_vault_principal=options.key_vault_principal or None,
        active_key=options.active_key,
        auto_regenerate=options.auto_regenerate,
        period=options.regeneration_period,
        masters=tuple(
            Master(cluster, cluster.fingerprints if pinned else (), targets)
            for cluster, targets in plan.by_cluster.items()
        ),
        settings={name: given[name] for name in sorted(given) if not name.startswith(_HOST_SETTINGS)},
        ssh_key=SecretText(_read(options.ssh_key)) if options.ssh_key else None,
        passphrase=_passphrase(options.passphrase_file) if options.passphrase_file else None,
        unseen_host=options.unseen_host,
        key_rotation=options.key_rotation or plan.account.key_rotation_period is not None,
    )


def _check_options(options: OnboardOptions, plan: Plan, *, pinned: bool) -> None:
    """Raise SettingsError for an option that needs a setting, or contradicts one."""
    grant = plan.grant
    if options.regeneration_period and options.regeneration_period <= grant.validity:
        longer = f"{grant.origin('validity')} ({grant.validity})"
        raise errors.SettingsError([f"--regeneration-period: it must be longer than {longer}"])
    if options.unseen_host and not pinned:
        raise errors.SettingsError([f"{FINGERPRINT}: --unseen-host needs it, e.g. {host_keys.EXAMPLE}"])
    keys = dict.fromkeys(cluster.key_secret for cluster in plan.clusters)
    if (options.ssh_key or options.passphrase_file) and len(keys) > 1:
        problem = f"they are for one of {', '.join(keys)}; write these into the vault yourself"
        raise errors.SettingsError([f"--ssh-key, --passphrase-file: {problem}"])
    passphrase = settings.find(Cluster, "passphrase_secret").setting
    if options.passphrase_file and not any(cluster.passphrase_secret for cluster in plan.clusters):
        raise errors.SettingsError(
            [f"{passphrase.name}: name the vault secret for the passphrase, e.g. {passphrase.example}"]
        )


def _passphrase(file: Path) -> SecretText | None:
    text = _read(file).rstrip("\r\n")
    return SecretText(text) if text else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError):  # not chained: a decoding error quotes what it read
        raise PrivateKeyError(f"{file} cannot be read as text", remedy="Check its permissions.") from None
