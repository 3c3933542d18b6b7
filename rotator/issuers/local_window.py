"""From when until when a SAS is valid that is signed here."""

import datetime

from rotator import sas
from rotator.azure.sas_signing import Window
from rotator.issuers.interface import SasRequest
from rotator.plan.issuer_rules import BACKDATED


def of(
    validity: datetime.timedelta,
    now: datetime.datetime,
    request: SasRequest,
    latest: datetime.datetime | None = None,
) -> Window:
    """Begin before now, as clocks differ, and end some seconds after the validity, by the request's number.

    There are so many of them as a SAS may be longer than asked for; then another second has begun, by which SAS differ
    too. It ends no later than `latest`, before which the seconds of other requests are left.
    """
    now = now.replace(microsecond=0)
    spread = max(1, int(sas.tolerance(validity).total_seconds() / 2))
    apart = datetime.timedelta(seconds=request.number % spread)
    expiry = now + validity + apart
    if latest is not None and expiry > latest:
        expiry = latest - apart
    return Window(now - BACKDATED, expiry)
