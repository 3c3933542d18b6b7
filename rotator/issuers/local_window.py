"""From when until when a SAS is valid that is signed here."""

import datetime

from rotator.azure.sas_signing import Window
from rotator.issuers.interface import SasRequest
from rotator.plan.issuer_rules import BACKDATED


def of(
    validity: datetime.timedelta,
    now: datetime.datetime,
    request: SasRequest,
    latest: datetime.datetime | None = None,
) -> Window:
    """Begin before now, as clocks differ, and end the request's number of seconds after the validity.

    It ends no later than `latest`, before which the seconds of other requests are left.
    """
    now = now.replace(microsecond=0)
    apart = datetime.timedelta(seconds=request.number)
    expiry = now + validity + apart
    if latest is not None and expiry > latest:
        expiry = latest - apart
    return Window(now - BACKDATED, expiry)
