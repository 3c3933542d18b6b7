"""Why the Functions host does not load a package, by the words of its errors, and what to do about it.

The host has no codes for its errors: their words are all there is. Those here are from the host's source
(https://github.com/Azure/azure-functions-host), from the Python worker's, from storage's error codes, and from users'
reports (https://github.com/Azure/azure-functions-python-worker/issues/1651).
"""

import enum
import re
from collections.abc import Iterable

from rotator import untrusted


class HostProblem(enum.Enum):
    """What is wrong, as far as it is known."""

    IMAGE = "image"
    STORAGE = "storage"
    SETTING = "setting"
    IMPORT = "import"
    UNKNOWN = "unknown"


# In this order: a library that does not fit the image is an ImportError too.
_PATTERNS = (
    (HostProblem.IMAGE, re.compile(r"GLIBC_\d|GLIBCXX_\d|manylinux")),
    (
        HostProblem.STORAGE,
        re.compile(
            r"AuthorizationPermissionMismatch|AuthorizationFailure|KeyBasedAuthenticationNotPermitted"
            r"|not authorized to perform this operation|AuthenticationFailed|PublicAccessNotPermitted"
        ),
    ),
    (
        HostProblem.SETTING,
        re.compile(
            r"does not resolve to a value|Unable to resolve (?:the )?(?:app setting|value)|is a defined App Setting"
            r"|[Cc]onnection string '[^']*' (?:does not exist|is missing or empty)"
            r"|schedule expression .* was not recognized"
        ),
    ),
    (
        HostProblem.IMPORT,
        re.compile(r"ModuleNotFoundError|ImportError|SyntaxError|No module named|failed to (?:index|load) function"),
    ),
)
_REMEDIES = {
    HostProblem.IMAGE: (
        "A library does not load on the app's image, which is too old for it: Python 3.11 and older have glibc 2.31. "
        "Set the app's runtime to Python 3.13, as infra/app/function.bicep has it, and deploy again."
    ),
    HostProblem.STORAGE: (
        "The host may not use its own storage. Check AzureWebJobsStorage__blobServiceUri, __credential and __clientId, "
        "the identity's role Storage Blob Data Owner there, and the storage's firewall; then restart the app."
    ),
    HostProblem.SETTING: (
        "An app setting is missing or wrong that a trigger or the host names, as the error says. Set it (`azd "
        "provision` sets all of them), and run finish-deployment again."
    ),
    HostProblem.IMPORT: (
        "The package does not load. Deploy it again with the remote build, which installs requirements.txt, as `azd "
        "deploy` does; the error names what is missing."
    ),
    HostProblem.UNKNOWN: (
        "Click Refresh above the list of functions in the portal, look at the host's log (Application Insights, table "
        "`traces`), restart the app, and deploy again; see *When Azure does not run it* in docs/operations.md."
    ),
}


def find(errors: Iterable[str]) -> HostProblem:
    """Return the first problem, in the order of how exact its words are, that any of the host's errors shows."""
    texts = list(errors)
    found = (problem for problem, pattern in _PATTERNS if any(map(pattern.search, texts)))
    return next(found, HostProblem.UNKNOWN)


def remedy(problem: HostProblem) -> str:
    """Return what to do about it."""
    return _REMEDIES[problem]


def line(error: str) -> str:
    """Return an error in one line of 200 characters at most."""
    return untrusted.one_line(" ".join(error.split()))
