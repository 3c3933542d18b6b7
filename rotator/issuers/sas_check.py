"""The check that an issued SAS is what was asked for: no more, no less, and valid for as long."""

import datetime

from rotator import errors, sas
from rotator.plan.account import Grant
from rotator.sas import Sas


def check(issued: Sas, grant: Grant, now: datetime.datetime) -> None:
    """Raise SasError unless a SAS allows exactly what the grant does, and is valid now and for as long."""
    problems = [
        f"{name} are {got!r} instead of {wanted!r}"
        for name, got, wanted in (
            ("services", issued.services, grant.services),
            ("resource types", issued.resource_types, grant.resource_types),
            ("permissions", issued.permissions, grant.permissions),
        )
        if set(got) != set(wanted)
    ]
    if sas.normal("spr", issued.protocol) != sas.normal("spr", grant.protocol):
        problems.append(f"protocol is {issued.protocol!r} instead of {grant.protocol!r}")
    if issued.version > sas.SIGNED_VERSION:
        problems.append(f"version {issued.version} is later than {sas.SIGNED_VERSION}, which Key Vault cannot sign")
    if issued.others:
        names = ", ".join(issued.others)
        problems.append(f"it has the fields {names}, which are not in the definition and may narrow it")
    problems += _window_problems(issued, grant.validity, now)
    if problems:
        raise errors.SasError(f"the issued SAS ({issued.fingerprint}) is not what was asked for: {'; '.join(problems)}")


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
