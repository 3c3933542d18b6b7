"""The check that an issued SAS is what was asked for: no more, no less, and valid for as long."""

import datetime
from collections.abc import Iterator

from rotator import errors, sas
from rotator.plan.account import Grant
from rotator.sas import Sas


def check(issued: Sas, grant: Grant, now: datetime.datetime, *, latest: str | None = sas.SIGNED_VERSION) -> None:
    """Raise SasError unless a SAS allows exactly what the grant does, and is valid now and for as long.

    `latest` is the last version that its issuer can sign, None where every version is right.
    """
    problems = [*_letters(issued, grant), *_scope(issued, grant), *_narrowing(issued, grant)]
    if sas.normal("spr", issued.protocol) != sas.normal("spr", grant.protocol):
        problems.append(f"protocol is {issued.protocol!r} instead of {grant.protocol!r}")
    if latest is not None and issued.version > latest:
        problems.append(f"version {issued.version} is later than {latest}, which Key Vault cannot sign")
    problems += _window_problems(issued, grant.validity, now)
    if problems:
        raise errors.SasError(f"the issued SAS ({issued.fingerprint}) is not what was asked for: {'; '.join(problems)}")


def _letters(issued: Sas, grant: Grant) -> Iterator[str]:
    allowed = [("permissions", issued.permissions, grant.permissions)]
    if grant.container is None:
        allowed.append(("services", issued.services, grant.services))
        allowed.append(("resource types", issued.resource_types, grant.resource_types))
    for name, got, wanted in allowed:
        if set(got) != set(wanted):
            yield f"{name} are {got!r} instead of {wanted!r}"


def _scope(issued: Sas, grant: Grant) -> Iterator[str]:
    if (issued.scope, issued.path) != (grant.scope, grant.path):
        yield f"it is for {_named(issued.scope, issued.path)} instead of {_named(grant.scope, grant.path)}"


def _named(scope: sas.Scope, path: str) -> str:
    return f"the {scope.name.lower()} {path}".rstrip()


def _narrowing(issued: Sas, grant: Grant) -> Iterator[str]:
    found = {"sip": issued.ip, "ses": issued.encryption_scope}
    wanted = {"sip": grant.ip or "", "ses": grant.encryption_scope or ""}
    more = [*issued.others, *(name for name, text in found.items() if text and not wanted[name])]
    if more:
        yield f"it has the fields {', '.join(more)}, which are not in the definition and may narrow it"
    for name, text in wanted.items():
        if text and found[name] != text:
            yield f"{name} is {found[name]!r} instead of {text!r}"


def _window_problems(issued: Sas, validity: datetime.timedelta, now: datetime.datetime) -> list[str]:
    """Compare start and expiry with now and with the validity that was asked for."""
    left = issued.expiry - now
    if left <= datetime.timedelta(0):
        return [f"it expired at {issued.expiry:%Y-%m-%dT%H:%M:%SZ}"]
    problems = []
    if issued.start is not None and issued.start > now + sas.CLOCK_SKEW:
        problems.append(f"it is not valid before {issued.start:%Y-%m-%dT%H:%M:%SZ}")
    if left < validity - sas.tolerance(validity):
        problems.append(f"it is valid for {_rounded(left)} instead of {validity}")
    if left > validity + sas.tolerance(validity):
        problems.append(f"it is valid for {_rounded(left)}, longer than {validity}")
    return problems


def _rounded(duration: datetime.timedelta) -> datetime.timedelta:
    return datetime.timedelta(seconds=round(duration.total_seconds()))
