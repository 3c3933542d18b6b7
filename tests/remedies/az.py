"""`az` as far as remedies need it: strict about commands and options, for real against the sandbox.

Whatever it doesn't know, also what the real program would take, ends with status 2.
https://learn.microsoft.com/cli/azure/reference-index
"""

import argparse
import dataclasses
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tests.remedies import az_commands, session
from tests.remedies.session import AzError


@dataclasses.dataclass(frozen=True)
class Option:
    """An option's spellings, and what argparse is told of it."""

    flags: tuple[str, ...]
    traits: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Command:
    """What carries a command out, and its options; of those in `one_of` exactly one is given."""

    carry_out: Callable[[session.Session, argparse.Namespace], Any]
    options: tuple[Option, ...] = ()
    one_of: tuple[Option, ...] = ()


def _option(*flags: str, **traits: Any) -> Option:
    return Option(flags, traits)


def _switch(flag: str, *, required: bool = True) -> Option:
    return _option(flag, choices=("false", "true"), nargs="?", const="true", required=required)


GLOBAL = (
    _option("--output", "-o", choices=("json", "tsv", "none"), default="json"),
    _option("--query", default=""),
    _option("--only-show-errors", action="store_true"),
)
NAME = _option("--name", "-n", required=True)
VAULT = _option("--name", "-n", dest="vault_name", required=True)
VAULT_OF_SECRET = _option("--vault-name", required=True)
IDS = _option("--ids")
ACCOUNT = (_option("--name", "-n"), IDS)
SITE = (_option("--name", "-n"), _option("--resource-group", "-g"), IDS)
ADDRESS = _option("--ip-address", nargs="+", required=True)
PERMISSIONS = tuple(
    _option(f"--{kind.removesuffix('s')}-permissions", nargs="*", default=None) for kind in az_commands.KINDS
)
FILTER = re.compile(r"\[\?(?P<name>\w+)=='(?P<value>[^']*)'(?: && (?P<absent>\w+)==null)?\]")
ENCODINGS = ("utf-8", "utf-16le", "utf-16be", "ascii", *az_commands.IN_BINARY)
PRINCIPALS = ("ForeignGroup", "Group", "ServicePrincipal", "User")

COMMANDS = {
    "login": Command(az_commands.login),
    "account show": Command(az_commands.show_subscription),
    "account get-access-token": Command(
        az_commands.get_token, (_option("--resource", required=True), _option("--tenant"))
    ),
    "keyvault show": Command(az_commands.show_vault, (VAULT,)),
    "keyvault set-policy": Command(
        az_commands.set_policy, (VAULT, _option("--object-id", required=True), *PERMISSIONS)
    ),
    "keyvault update": Command(
        az_commands.update_vault,
        (VAULT,),
        (
            _switch("--enable-rbac-authorization", required=False),
            _option("--public-network-access", choices=("Disabled", "Enabled")),
        ),
    ),
    "keyvault network-rule add": Command(az_commands.add_vault_rule, (VAULT, ADDRESS)),
    "keyvault secret set": Command(
        az_commands.set_secret,
        (
            *(NAME, VAULT_OF_SECRET, _option("--content-type", "--description")),
            _option("--encoding", "-e", choices=ENCODINGS, default="utf-8"),
        ),
        (_option("--value"), _option("--file", "-f")),
    ),
    "keyvault secret recover": Command(az_commands.recover_secret, (NAME, VAULT_OF_SECRET)),
    "keyvault secret set-attributes": Command(
        az_commands.set_secret_attributes, (NAME, VAULT_OF_SECRET, _switch("--enabled"))
    ),
    "role assignment create": Command(
        az_commands.assign_role,
        (
            *(_option("--role", required=True), _option("--scope", required=True)),
            _option("--assignee-principal-type", choices=PRINCIPALS),
        ),
        (_option("--assignee"), _option("--assignee-object-id")),
    ),
    "storage account show": Command(az_commands.show_account, (), ACCOUNT),
    "storage account update": Command(
        az_commands.update_account,
        (
            _switch("--allow-shared-key-access", required=False),
            _option("--public-network-access", choices=("Disabled", "Enabled", "SecuredByPerimeter")),
            _option("--sas-expiration-period", "--sas-exp"),
        ),
        ACCOUNT,
    ),
    "resource update": Command(
        az_commands.update_resource,
        (
            _option("--ids", required=True),
            _option("--api-version", required=True),
            _option("--set", nargs="+", required=True),
        ),
    ),
    "lock delete": Command(az_commands.delete_lock, (_option("--ids", required=True),)),
    "role definition create": Command(az_commands.create_role, (_option("--role-definition", required=True),)),
    "storage account network-rule add": Command(
        az_commands.add_account_rule,
        (
            _option("--account-name", "-n", required=True),
            ADDRESS,
        ),
    ),
    "functionapp config appsettings set": Command(
        az_commands.set_app_settings, (*SITE, _option("--settings", nargs="+", required=True))
    ),
    "functionapp identity assign": Command(
        az_commands.assign_identity, (*SITE, _option("--identities", nargs="*", default=["[system]"]))
    ),
    "identity list": Command(az_commands.list_identities),
}


def main(arguments: Sequence[str]) -> int:
    """Carry a command line out; 0, 1 for a refusal, 2 for a wrong command line, 3 for what isn't there."""
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    command = COMMANDS.get(" ".join(words))
    if command is None:
        return _failed(f"'{' '.join(words)}' is misspelled or not recognized by the stand-in.", 2)
    asked = _parser(command, words).parse_args(arguments[len(words) :])
    try:
        read = session.read(os.environ.get(session.VARIABLE, ""), signing_in=words == ["login"])
        result = command.carry_out(read, asked)
        _show(_chosen(result, asked.query), asked.output)
    except AzError as error:
        return _failed(str(error), error.status)
    return 0


def _parser(command: Command, words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"az {' '.join(words)}", allow_abbrev=False)
    for option in (*command.options, *GLOBAL):
        parser.add_argument(*option.flags, **option.traits)
    if command.one_of:
        group = parser.add_mutually_exclusive_group(required=True)
        for option in command.one_of:
            group.add_argument(*option.flags, **option.traits)
    return parser


def _chosen(result: Any, query: str) -> Any:
    """Of JMESPath this knows names with dots between them, of which one may be for those in a list that have a value.

    https://jmespath.org/specification.html
    """
    if found := FILTER.search(query):
        after = query[found.end() :]
        listed = _member(result, query[: found.start()], query) or []
        chosen = [one for one in listed if one.get(found["name"]) == found["value"] and not one.get(found["absent"])]
        each = [_member(one, after.removesuffix("[]"), query) for one in chosen]
        kept = [one for one in each if one is not None]
        return list(itertools.chain(*kept)) if after.endswith("[]") else kept
    return _member(result, query, query)


def _member(result: Any, path: str, query: str) -> Any:
    for name in filter(None, path.split(".")):
        if not name.isidentifier():
            raise AzError(f"argument --query: the stand-in does not know {query!r}", 2)
        result = result.get(name) if isinstance(result, dict) else None
    return result


def _show(result: Any, output: str) -> None:
    if output == "none" or result is None:
        return
    lines = result if isinstance(result, list) else [result]
    plain = output == "tsv" and all(isinstance(line, str) for line in lines)
    for line in lines if plain else [json.dumps(result, indent=2)]:
        sys.stdout.write(f"{line}\n")


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"ERROR: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
