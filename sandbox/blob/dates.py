"""Times as the blob service's headers and XML have them.

https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
"""

import datetime
import email.utils


def http_date(time: datetime.datetime) -> str:
    """Write a time as HTTP headers do, as in "Tue, 01 Dec 2026 00:00:00 GMT"."""
    return email.utils.format_datetime(time.astimezone(datetime.UTC), usegmt=True)
