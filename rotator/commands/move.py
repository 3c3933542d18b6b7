"""`python -m rotator plan --issuer …`: what a move to another issuer takes, as text or JSON."""

import dataclasses
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from rotator import app
from rotator.checks.findings import Finding
from rotator.commands import error_handling, interrupts, printing
from rotator.commands.options import OutputOptions
from rotator.plan.account import IssuerKind

if TYPE_CHECKING:
    from rich.console import Console

    from rotator.checks.move import Move


# Settings that azd's environment lacks are removed by the next provisioning.
_OF_AZD = (
    "Where azd deployed the app, `azd env set NAME VALUE` for each (but STORAGE_ACCOUNT_ID, which the template sets), "
    "and `azd provision`."
)


def show(issuer: IssuerKind, output: OutputOptions) -> NoReturn:
    """Print it and exit: with 0 if nothing is missing, else with 1."""
    with error_handling.report_errors(output):
        with interrupts.read_only(output):
            found = app.move_preview(issuer)
        if output.as_json:
            click.echo(printing.json_text(found.as_json(), indent=2))
        else:
            print_text(found)
    sys.exit(0 if found.possible else error_handling.FAILED)


def print_text(found: "Move") -> None:
    """Print what is missing, what else to know, what will change, and the command, in this order."""
    console = printing.console()

    def line(words: str, style: str = "") -> None:
        console.print(printing.text(words, style), soft_wrap=True)

    whose = f", by the roles of {found.identity}" if found.identity else ""
    line(f"from {found.former} to {found.issuer}{whose}", "bold")
    if found.note:
        line(f"{'note':<8} {found.note}")
    _print_findings(console, found)
    for effect in found.effects:
        line(f"then     {effect}")
    for target in found.targets:
        line(f"{'can move' if found.possible else 'waits':<8} {target}")
    if found.command:
        line("\nThis makes the change" + ("" if found.possible else ", when nothing is missing any more") + ":")
        line(f"  $ {found.command}", "bold")
        line(_OF_AZD)
    line(_summary(found), "dim")


def _print_findings(console: "Console", found: "Move") -> None:
    """Print each command once: several findings may have one cause."""
    printed: set[str] = set()
    for finding in (*found.missing, *found.remarks):
        kind, style = ("missing", "bold red") if finding in found.missing else ("note", "yellow")
        known = finding.command in printed
        _print_finding(console, kind, dataclasses.replace(finding, remedy="", command="") if known else finding, style)
        printed |= {finding.command} - {""}


def _print_finding(console: "Console", kind: str, finding: Finding, style: str) -> None:
    heading = f"{kind:<8} {finding.check}: {finding.text}"
    console.print(printing.text(heading, style), soft_wrap=True)
    if finding.remedy:
        console.print(printing.text(f"           {finding.remedy}"), soft_wrap=True)
    if finding.command:
        console.print(printing.text(f"           $ {finding.command}", "bold"), soft_wrap=True)


def _summary(found: "Move") -> str:
    if found.issuer is found.former:
        return f"nothing was changed; SAS_ISSUER is {found.issuer} already"
    verdict = "all targets can move" if found.possible else f"{len(found.missing)} missing"
    return f"nothing was changed; {verdict}"
