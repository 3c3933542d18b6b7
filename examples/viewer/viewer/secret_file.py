"""The SAS in a mounted Secret, read anew whenever the kubelet has replaced the file.

The kubelet writes each change into a new directory and then swaps one symbolic link:
https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically
"""

import dataclasses
import datetime
import logging
import os
from pathlib import Path

from viewer import problems, sas

logger = logging.getLogger(__name__)

MOST_BYTES = 16 * 1024


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A SAS, and when the kubelet brought it into this pod."""

    sas: sas.Sas
    at: datetime.datetime


class SecretFile:
    """Holds the last good SAS. A missing file or one with something else in it does not take that away."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        self._encoding = encoding
        self._identity: tuple[int, ...] = ()
        self._trouble = ""
        self.held: Delivery | None = None

    def usable(self) -> Delivery:
        """The SAS of this moment; NoCredentialError or ExpiredError when there is none that could work."""
        self.look()
        if self.held is None:
            raise problems.NoCredentialError(self._trouble)
        if self.held.sas.expiry <= datetime.datetime.now(datetime.UTC):
            raise problems.ExpiredError(f"It was valid until {self.held.sas.expiry:%Y-%m-%d %H:%M:%S} UTC.")
        return self.held

    def look(self) -> None:
        """Read the file if it is another one than last time."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
                if identity == self._identity:
                    return
                content = file.read(MOST_BYTES)
        except OSError as error:
            self._identity = ()
            self._note(f"The Secret's file cannot be read: {error.strerror}.")
            return
        self._identity = identity
        self._take(content, datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC))

    def _take(self, content: bytes, at: datetime.datetime) -> None:
        try:
            found = sas.parse(content, self._encoding)
        except ValueError as error:
            self._note(f"SAS_ENCODING is {self._encoding}, and {error}.")
            return
        self._trouble = ""
        # The kubelet rewrites the whole directory when any key of the Secret changes.
        if self.held is None or self.held.sas.token != found.token:
            self.held = Delivery(found, at)
            logger.info("SAS %s until %s was delivered", found.fingerprint, found.expiry.isoformat())

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s%s", trouble, " The former SAS stays in use." if self.held else "")
        self._trouble = trouble
