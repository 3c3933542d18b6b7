"""`python -m rotator onboard`: from options, azd's environment and files to an onboarding, told step by step."""

import dataclasses
import datetime
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from rotator import app, errors
from rotator.azure import resource_id
from rotator.commands import error_output, terminal
from rotator.commands.terminal import Manner
from rotator.delivery.errors import PrivateKeyError
from rotator.onboarding.errors import ConfirmationNeededError, OnboardingError
from rotator.onboarding.steps import OnboardingRequest, Step, StepOutcome
from rotator.plan import host_keys, loader
from rotator.plan.plan import Plan, Strategy
from rotator.plan.setting_types import validity
from rotator.redaction import SecretText

_COLOURS = {
    StepOutcome.CHECKED: "cyan",
    StepOutcome.UNCHANGED: "cyan",
    StepOutcome.WOULD: "yellow",
    StepOutcome.DONE: "green",
}
_FINGERPRINT = "KUBERNETES_SSH_FINGERPRINT"
_HOST_SETTINGS = ("AzureWebJobsStorage", "AZURE_CLIENT_ID")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _id(kind: str) -> Callable[[str], resource_id.ResourceId]:
    def read(text: str) -> resource_id.ResourceId:
        try:
            return resource_id.ResourceId.parse(text, kind)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


def _period(text: str) -> datetime.timedelta:
    try:
        return validity(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, for example P30D") from None


@dataclasses.dataclass(frozen=True)
class Choices:
    """The options."""

    storage_account: resource_id.ResourceId
    vault: resource_id.ResourceId
    function_app: resource_id.ResourceId | None
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


@click.command()
@click.option(
    "--storage-account",
    type=_id(resource_id.STORAGE_ACCOUNT),
    metavar="ID",
    envvar="STORAGE_ACCOUNT_ID",
    required=True,
    help="The resource id of the storage account that the vault is to manage.",
)
@click.option(
    "--vault",
    type=_id(resource_id.VAULT),
    metavar="ID",
    envvar="KEY_VAULT_ID",
    required=True,
    help="The vault's resource id.",
)
@click.option(
    "--function-app",
    type=_id(resource_id.FUNCTION_APP),
    metavar="ID",
    envvar="FUNCTION_APP_ID",
    help="The function app's resource id, to write its settings and find its identity.",
)
@click.option(
    "--app-principal", envvar="ROTATOR_PRINCIPAL_ID", metavar="ID", help="The object id of the app's identity."
)
@click.option(
    "--key-vault-principal",
    envvar="KEY_VAULT_SERVICE_PRINCIPAL_ID",
    metavar="ID",
    help="The object id of Key Vault's application, to check its role.",
)
@click.option(
    "--active-key",
    type=click.Choice(["key1", "key2"]),
    default="key1",
    show_default=True,
    help="The key that the vault signs with to begin with.",
)
@click.option(
    "--auto-regenerate/--no-auto-regenerate",
    default=None,
    help="Whether the vault regenerates keys: yes to begin with, unless there is a KEY_ROTATION_PERIOD.",
)
@click.option("--regeneration-period", type=_period, metavar="DURATION", help="How often: P30D to begin with.")
@click.option(
    "--key-rotation",
    is_flag=True,
    envvar="KEY_ROTATION_ENABLED",
    help="Let the app have keys regenerated; a KEY_ROTATION_PERIOD means so too.",
)
@click.option("--ssh-key", type=_FILE, help="A private key's file; without it the vault's, or a new Ed25519 key.")
@click.option("--passphrase-file", type=_FILE, help="A file with that key's passphrase.")
@click.option(
    "--unseen-host",
    is_flag=True,
    envvar="ROTATOR_ONBOARD_UNSEEN_HOST",
    help="Take KUBERNETES_SSH_FINGERPRINT as it is, for a master that only the app reaches.",
)
@click.option("--dry-run", is_flag=True, help="Look, and say what would be done.")
@click.option("-y", "--yes", is_flag=True, help="Make the changes unasked; confirms no unknown host key.")
@click.option(
    "--save-settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the confirmed settings there as NAME=value, none of them secret.",
)
@terminal.mannered
def onboard(*, manner: Manner, **options: object) -> None:
    """Bring vault, app and master together: what no template can do.

    \b
    Looks at everything first, shows the master's host key for confirmation, then:
      1. gives you and the app their access policies
      2. lets the vault manage the storage account
      3. puts an SSH key into the vault, and prints its public half
      4. writes the app settings

    Done twice it changes nothing. Settings come from environment variables, as in `azd env get-values`.

    \b
    Examples:
      set -a; eval "$(azd env get-values)"; set +a
      python -m rotator onboard --dry-run
      python -m rotator onboard --ssh-key id_ed25519 --yes
    """  # noqa: D301  # click takes the backspace itself for "do not wrap"
    choices = Choices(**options, as_json=manner.as_json)  # type: ignore[arg-type]  # click gives each its type
    with terminal.telling(manner, indent=None):  # each step is a line of JSON
        _onboard(choices, os.environ)


def _onboard(choices: Choices, environment: Mapping[str, str]) -> None:
    request = _request(choices, environment)
    with app.onboarding(request, lambda step: _tell(step, as_json=choices.as_json), _wait) as onboarding:
        try:
            onboarding.run(lambda unknown, changes: _confirm(choices, unknown, changes), dry_run=choices.dry_run)
        except KeyboardInterrupt:
            if not onboarding.confirmed:
                raise
            error_output.interrupted("What was done stays as it is; run it again, and it does the rest.")
        finally:
            if choices.save_settings and onboarding.confirmed:
                _save(choices.save_settings, f"{_FINGERPRINT}={onboarding.settings[_FINGERPRINT]}\n")
    if not choices.dry_run and not choices.as_json:
        _close(request, onboarding.public_key)


def _save(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        raise OnboardingError(
            f"{file} cannot be written ({error.strerror}): {text.strip()}",
            remedy="Keep that setting by hand; what was done stays as it is.",
        ) from error


def _request(choices: Choices, environment: Mapping[str, str]) -> OnboardingRequest:
    given = loader.setting_texts(environment)
    given.setdefault("KEYVAULT_STORAGE_NAME", choices.storage_account.name)
    pinned = _FINGERPRINT in given
    # Everything else is validated before the master is asked for its key.
    plan = loader.load(
        {**environment, **given} if pinned else {**environment, **given, _FINGERPRINT: host_keys.EXAMPLE}
    )
    if choices.regeneration_period and choices.regeneration_period <= plan.definition.validity:
        raise errors.SettingsError(
            [f"--regeneration-period: it must be longer than SAS_VALIDITY ({plan.definition.validity})"]
        )
    if choices.unseen_host and not pinned:
        raise errors.SettingsError([f"{_FINGERPRINT}: --unseen-host needs it, e.g. {host_keys.EXAMPLE}"])
    own = {name: given[name] for name in sorted(given) if not name.startswith(_HOST_SETTINGS)}
    return OnboardingRequest(
        plan=plan,
        vault=choices.vault,
        account=choices.storage_account,
        function_app=choices.function_app,
        app_principal=choices.app_principal or None,
        key_vault_principal=choices.key_vault_principal or None,
        active_key=choices.active_key,
        auto_regenerate=choices.auto_regenerate,
        period=choices.regeneration_period,
        pins=plan.targets[0].cluster.pins if pinned else (),
        settings=own,
        unseen_host=choices.unseen_host,
        key_rotation=choices.key_rotation or plan.key_rotation_period is not None,
        **_own_key(choices, plan),
    )


def _own_key(choices: Choices, plan: Plan) -> dict[str, SecretText | None]:
    if choices.passphrase_file and not plan.targets[0].cluster.passphrase_secret:
        raise errors.SettingsError(
            ["KUBERNETES_SSH_PASSPHRASE_SECRET: name the vault secret for the passphrase, e.g. privatekey-passphrase"]
        )
    phrase = _read(choices.passphrase_file).rstrip("\r\n") if choices.passphrase_file else ""
    return {
        "ssh_key": SecretText(_read(choices.ssh_key)) if choices.ssh_key else None,
        "passphrase": SecretText(phrase) if phrase else None,
    }


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):  # not chained: a decoding error quotes what it read
        raise PrivateKeyError(f"{path} cannot be read as text", remedy="Check its permissions.") from None


def _confirm(choices: Choices, unknown: tuple[host_keys.HostKey, ...], changes: list[str]) -> bool:
    interactive, told = sys.stdin.isatty(), [error_output.printable(change) for change in changes]
    if unknown:
        if not interactive:
            raise ConfirmationNeededError(
                f"nobody is here to confirm the master's host key ({unknown[0]}); nothing was changed",
                remedy=f"Compare it at the master's console ({host_keys.ON_THE_CONSOLE}), set {_FINGERPRINT} to it, "
                "and say --yes.",
            )
        click.echo("\n".join(["\nTo be changed:", *(f"  - {change}" for change in told)]), err=True)
        click.echo(f"\nCompare at the master's console: {host_keys.ON_THE_CONSOLE}", err=True)
        return click.confirm(f"Is {unknown[0]} the master's own key, and shall these changes be made?", err=True)
    if choices.yes or not changes:
        return True
    if not interactive:
        raise ConfirmationNeededError(
            "nobody is here to agree to the changes; nothing was changed", remedy="Say --yes, or --dry-run to look."
        )
    return click.confirm(question(told), err=True)


def question(changes: list[str]) -> str:
    """Ask whether to make these changes."""
    what = "this change" if len(changes) == 1 else f"these {len(changes)} changes"
    return f"\nMake {what}?\n  - " + "\n  - ".join(changes) + "\n"


def _tell(step: Step, *, as_json: bool) -> None:
    if as_json:
        fields = {"step": step.title, "did": step.did.value, "text": step.text, "equivalent": step.equivalent}
        click.echo(error_output.json_text(fields))
        return
    did = click.style(f"{step.did.value:<9}", fg=_COLOURS[step.did])
    click.echo(f"{did} {step.title}: {error_output.printable(step.text)}")
    if step.equivalent:
        click.secho(f"          $ {error_output.printable(step.equivalent)}", dim=True)


def _wait(text: str) -> None:
    click.echo(f"{error_output.printable(text)}; Ctrl-C is safe", err=True)


def _close(request: OnboardingRequest, public_key: str) -> None:
    remote = f"sudo sh -s -- {_setup(request)} --public-key {shlex.quote(public_key)}"
    command = f"ssh -p {request.cluster.port} <admin>@{request.cluster.host} {_quoted(remote)} <infra/master/setup.sh"
    click.echo(
        f"\nOnce, on the master (infra/master/README.md says what it does):\n  {error_output.printable(command)}"
    )


def _quoted(words: str) -> str:
    """One word for the shell here, in double quotes where these do: it is full of single ones for the shell there."""
    return shlex.quote(words) if "!" in words else '"' + re.sub(r'([\\"$`])', r"\\\1", words) + '"'


def _setup(request: OnboardingRequest) -> str:
    target = request.plan.targets[0]
    options = ["--user", request.cluster.user, "--namespace", target.namespace, "--secret", target.secret]
    options += ["--data-key", target.data_key]
    # One with a kubeconfig is what setup.sh printed for the rotator; the administrator's comes without.
    if not any(word.startswith("--kubeconfig") for word in request.cluster.kubectl):
        options += ["--kubectl", " ".join(request.cluster.kubectl)]
    if target.strategy is Strategy.APPLY:
        options.append("--no-create")
    return shlex.join(options)
