"""The clock check before a key is regenerated, which cannot be undone: whether this host's time is the issuer's.

Until when a SAS is valid, and whether a new one may be delivered, is judged by this host's clock. The check sends two
requests without a token. Where another host signs the SAS, it mints one, too, which is not delivered.
"""

import contextlib
import datetime

from rotator import errors, sas
from rotator.azure.errors import NoAnswerError
from rotator.issuers import sas_check
from rotator.plan.plan import Plan
from rotator.rotation.account import AccountReader
from rotator.rotation.services import Services


def check(plan: Plan, services: Services, account: AccountReader) -> None:
    """Check both halves. Raises ClockSkewError where the clocks differ by more than `sas.tolerance`, or SasError."""
    check_dates(plan, services, account)
    if account.state().prepared and not services.issuer.capabilities.signs_here:
        _check_minted(plan, services)


def check_dates(plan: Plan, services: Services, account: AccountReader) -> None:
    """Compare the Date headers of the issuer's and storage's answers with this host's clock. Raises ClockSkewError."""
    for url in filter(None, (services.issuer.url, account.endpoint())):
        with contextlib.suppress(NoAnswerError):  # the issuer has answered; storage need not be reached from here
            before = services.clock()
            theirs = services.time_at(url)
            if theirs is not None:
                _compare(url, theirs, (before, services.clock()), plan)


def _check_minted(plan: Plan, services: Services) -> None:
    """Compare the expiry of a fresh SAS with the wanted one; needs a definition that is as wanted."""
    before = services.clock()
    issued = services.issuer.mint()
    after = services.clock()
    _compare(plan.account.host, issued.expiry - plan.grant.validity, (before, after), plan)
    sas_check.check(issued, plan.grant, after)


def _compare(
    whose: str, theirs: datetime.datetime, ours: tuple[datetime.datetime, datetime.datetime], plan: Plan
) -> None:
    """Compare a time with our times before and after its request, so that a slow answer is no difference."""
    (before, after), bound = ours, sas.tolerance(plan.grant.validity)
    if before - bound <= theirs <= after + bound:
        return
    off = round((after - theirs).total_seconds())
    where = "ahead of" if off > 0 else "behind"
    raise errors.ClockSkewError(f"no key was regenerated: this host's clock is {abs(off)} s {where} that of {whose}")
