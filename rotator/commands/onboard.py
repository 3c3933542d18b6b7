"""`python -m rotator onboard`: the options, the questions to the operator, and the steps as text or JSON."""

import datetime
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from rotator import app
from rotator.commands import error_handling, interrupts, onboard_request, options, printing
from rotator.commands.onboard_request import FINGERPRINT, OnboardOptions
from rotator.commands.options import OutputOptions
from rotator.onboarding import shell_commands
from rotator.onboarding.errors import ConfirmationNeededError, OnboardingError
from rotator.onboarding.request import Master
from rotator.onboarding.steps import Step, StepOutcome
from rotator.plan import host_keys, resource_id
from rotator.plan.account import IssuerKind
from rotator.plan.host_keys import HostKey
from rotator.plan.setting_types import validity

_COLOURS = {
    StepOutcome.CHECKED: "cyan",
    StepOutcome.UNCHANGED: "cyan",
    StepOutcome.WOULD: "yellow",
    StepOutcome.DONE: "green",
}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _period(text: str) -> datetime.timedelta:
    try:
        return validity(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, for example P30D") from None


@click.command()
@click.option(
    "--issuer",
    type=click.Choice([str(kind) for kind in IssuerKind]),
    callback=lambda _context, _option, value: IssuerKind(value) if value else None,
    help="Where SAS come from. Default: SAS_ISSUER, or keyvault. The steps are those that it needs.",
)
@click.option(
    "--storage-account",
    type=options.resource(resource_id.STORAGE_ACCOUNT),
    metavar="ID",
    envvar="STORAGE_ACCOUNT_ID",
    required=True,
    help="The resource id of the storage account that the SAS are for.",
)
@click.option(
    "--vault",
    type=options.resource(resource_id.VAULT),
    metavar="ID",
    envvar="KEY_VAULT_ID",
    required=True,
    help="The vault's resource id.",
)
@click.option(
    "--function-app",
    type=options.resource(resource_id.FUNCTION_APP),
    metavar="ID",
    envvar="FUNCTION_APP_ID",
    help="The function app's resource id, to find its identity and write its settings.",
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
    help="The key that signs the SAS when the vault begins to manage the account.",
)
@click.option(
    "--auto-regenerate/--no-auto-regenerate",
    default=None,
    help="Whether the vault regenerates the keys. Default: as before; for a new managed account yes, unless "
    "KEY_ROTATION_PERIOD is set.",
)
@click.option(
    "--regeneration-period",
    type=_period,
    metavar="DURATION",
    help="How often the vault regenerates a key. Default: as before; P30D for a new managed account.",
)
@click.option(
    "--key-rotation",
    is_flag=True,
    envvar="KEY_ROTATION_ENABLED",
    help="Let the app regenerate keys; implied by KEY_ROTATION_PERIOD.",
)
@click.option(
    "--ssh-key", type=_FILE, help="A private key's file. Default: the key in the vault, or a new Ed25519 key."
)
@click.option("--passphrase-file", type=_FILE, help="A file with the passphrase of that key.")
@click.option(
    "--unseen-host",
    is_flag=True,
    envvar="ROTATOR_ONBOARD_UNSEEN_HOST",
    help="Accept KUBERNETES_SSH_FINGERPRINT unseen, for a master that only the app can reach.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be changed; change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Make the changes without asking; confirms no unknown host key.")
@click.option(
    "--save-settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the confirmed host key fingerprint to this file, as NAME=value.",
)
@options.output_options
def onboard(*, output: OutputOptions, **values: object) -> None:
    """Set up vault, app and master: what no template can do.

    \b
    Checks everything first, asks you to confirm the master's host key and the
    changes, then:
      1. grants you and the app their access policies, or roles
      2. with Key Vault as the issuer, lets it manage the storage account
      3. writes an SSH key into the vault, and prints its public half
      4. writes the app settings

    A second run changes nothing. Settings come from environment variables, as in `azd env get-values`.

    \b
    Examples:
      set -a; eval "$(azd env get-values)"; set +a
      python -m rotator onboard --dry-run
      python -m rotator onboard --ssh-key id_ed25519 --yes
    """  # noqa: D301  # click reads the backspace as "do not wrap"
    chosen = OnboardOptions(**values, as_json=output.as_json)  # type: ignore[arg-type]  # click converts each
    with error_handling.report_errors(output, indent=None):  # each step is a line of JSON
        _onboard(chosen, os.environ)


def _onboard(chosen: OnboardOptions, environment: Mapping[str, str]) -> None:
    request = onboard_request.make(chosen, environment)
    with app.onboarding(request, lambda step: _print_step(step, as_json=chosen.as_json), _print_wait) as onboarding:
        try:
            onboarding.run(lambda unknown, changes: _confirm(chosen, unknown, changes), dry_run=chosen.dry_run)
        except KeyboardInterrupt:
            if not onboarding.confirmed:
                raise
            interrupts.exit_interrupted("What is done stays done. Run it again to do the rest.")
        finally:
            if chosen.save_settings and onboarding.confirmed:
                found = onboarding.settings.get(FINGERPRINT)
                _save(chosen.save_settings, f"{FINGERPRINT}={found}\n" if found else "")
    if not chosen.dry_run and not chosen.as_json:
        for master in request.masters:
            _print_setup(master, onboarding.public_keys[master.cluster.key_secret])


def _print_setup(master: Master, public_key: str) -> None:
    """Print the command that sets up a master for the first namespace of its targets, and what it leaves out."""
    namespace, *others = dict.fromkeys(target.namespace for target in master.targets)
    targets = [target for target in master.targets if target.namespace == namespace]
    click.echo("\nSet up the master, once (infra/master/README.md explains what this does):")
    click.echo(f"  {printing.printable(shell_commands.set_up_master(targets, public_key))}")
    if others:
        text = f"It is for namespace {namespace}; grant its ServiceAccount the same Role in {', '.join(others)}, too."
        click.echo(printing.printable(text))


def _save(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        raise OnboardingError(
            f"{file} cannot be written ({error.strerror}): {text.strip()}",
            remedy="Save that setting by hand. What is done stays done.",
        ) from error


def _confirm(chosen: OnboardOptions, unknown: tuple[HostKey, ...], changes: list[str]) -> bool:
    """Ask the operator to confirm an unknown host key, and the changes unless --yes does.

    Raises ConfirmationNeededError without a terminal.
    """
    interactive, lines = sys.stdin.isatty(), [printing.printable(change) for change in changes]
    if unknown:
        if not interactive:
            raise ConfirmationNeededError(
                f"nobody is here to confirm the master's host key ({unknown[0]}); nothing was changed",
                remedy=f"Compare it at the master's console ({host_keys.ON_THE_CONSOLE}), set {FINGERPRINT} to it, "
                "and pass --yes.",
            )
        click.echo("\n".join(["\nChanges:", *(f"  - {line}" for line in lines)]), err=True)
        click.echo(f"\nCompare at the master's console: {host_keys.ON_THE_CONSOLE}", err=True)
        return click.confirm(f"Is {unknown[0]} the master's own key, and do you want these changes?", err=True)
    if chosen.yes or not changes:
        return True
    if not interactive:
        raise ConfirmationNeededError(
            "nobody is here to confirm the changes; nothing was changed",
            remedy="Pass --yes to make them, or --dry-run to see them.",
        )
    return click.confirm(question(lines), err=True)


def question(changes: list[str]) -> str:
    """Return the question whether to make these changes."""
    what = "this change" if len(changes) == 1 else f"these {len(changes)} changes"
    return f"\nMake {what}?\n  - " + "\n  - ".join(changes) + "\n"


def _print_step(step: Step, *, as_json: bool) -> None:
    outcome = step.outcome.value
    if as_json:
        fields = {"step": step.title, "did": outcome, "text": step.text, "equivalent": step.equivalent}
        click.echo(printing.json_text(fields))
        return
    coloured = click.style(f"{outcome:<9}", fg=_COLOURS[step.outcome])
    click.echo(f"{coloured} {step.title}: {printing.printable(step.text)}")
    if step.equivalent:
        click.secho(f"          $ {printing.printable(step.equivalent)}", dim=True)


def _print_wait(text: str) -> None:
    click.echo(f"{printing.printable(text)}; Ctrl-C is safe", err=True)
