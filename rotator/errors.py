"""The errors that the rotator raises, each with a remedy for the operator; none ever holds a secret value.

The errors of Azure's services, delivery and onboarding are declared in their packages. A command's exit code and an
HTTP answer's status are attributes of the class.
"""

from typing import ClassVar, Self


class RotatorError(Exception):
    """An error that an operator can repair: `str(error)` says what is wrong, `remedy` what to check or do.

    `advice` is the remedy without the command at its end, for where a better command is known.
    """

    code: ClassVar[str] = "RotatorError"  # the stable name in reports, answers and logs: each class's own name
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    remedy: ClassVar[str] = ""

    def __init_subclass__(cls, **options: object) -> None:
        """Set each class's code to its name."""
        super().__init_subclass__(**options)
        cls.code = cls.__name__

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy  # type: ignore[misc]  # an instance's remedy is more exact than its class's
        self.advice = self.remedy

    def repaired_by(self, command: str) -> Self:
        """Put a command that does what the remedy says to its end, and return the error."""
        self.remedy = f"{self.advice.rstrip('.')}: {command}"  # type: ignore[misc]  # as above
        return self

    def as_json(self) -> dict[str, str]:
        """Return the fields of an HTTP answer, or of `--json`, for this error."""
        return {"error": self.code, "message": str(self), "remedy": self.remedy}


class SettingsError(RotatorError):
    """One or more settings are missing or wrong; `problems` has a line for each."""

    exit_code = 2
    remedy = "Correct these app settings; nothing was changed."

    def __init__(self, problems: list[str]) -> None:
        super().__init__("settings are missing or wrong:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


class UnexpectedError(RotatorError):
    """A defect of this program: an error that is none of its own."""

    remedy = "This is a defect of the rotator: please report it with the log's traceback."


class InterruptedRunError(RotatorError):
    """Somebody, or the system, ended the process in the middle of a run."""

    remedy = "Run it again: a run finishes what an earlier one began, a key rotation that was asked for included."

    def __init__(self) -> None:
        super().__init__("the run was interrupted")


class BusyError(RotatorError):
    """Another run is in progress; `holder` says which and `since` when, in ISO 8601, where that is known."""

    exit_code = 3
    http_status = 409
    remedy = "Wait for the run in progress to end, then try again."

    def __init__(self, message: str, *, holder: str = "", since: str = "") -> None:
        super().__init__(message)
        self.holder = holder
        self.since = since

    def as_json(self) -> dict[str, str]:
        """Return the fields of an HTTP answer, or of `--json`, for this error."""
        return {**super().as_json(), "holder": self.holder, "since": self.since}


class KeyRotationError(RotatorError):
    """A key rotation was refused before anything was changed, or cannot be finished as things are."""

    http_status = 412


class KeyInUseError(KeyRotationError):
    """A SAS that the key signed may still be in use."""

    remedy = "Repeat it with force, if those SAS may stop working at once: the report lists what was cut off."


class ClockSkewError(KeyRotationError):
    """This host's clock differs so much from the vault's or storage's that it cannot judge whether a SAS is valid."""

    remedy = (
        "Synchronise this host's clock by NTP (timedatectl set-ntp true), then try again; a function app's clock is "
        "Azure's to correct, and a restart moves the app to another host."
    )


class UnfinishedError(KeyRotationError):
    """Not every target holds a SAS of the new key yet."""

    remedy = "Repair those targets, or remove them from the settings: the next run resumes the key rotation."


class ActiveKeyError(KeyRotationError):
    """The vault's active key is not the one that this step needs."""


class SasError(RotatorError):
    """The issued SAS is malformed, or does not grant what was requested."""

    remedy = (
        "Check the SAS_* settings and, with Key Vault as the issuer, the SAS definition there; the Secret was left as "
        "it was."
    )


class RotationFailedError(RotatorError):
    """At least one target failed; the report has the details."""

    remedy = "See the report in the log."


class WebhookError(RotatorError):
    """The chat service did not accept a message; the run itself is not affected."""

    remedy = (
        "Check NOTIFY_WEBHOOK_URL, which the chat service may have withdrawn, and the network path there; the run's "
        "report is in the log."
    )
