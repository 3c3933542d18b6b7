"""What the end of a deployment needs of the function app: Resource Manager's view of it, and its own HTTP triggers."""

from collections.abc import Mapping
from typing import Any, Protocol

from rotator.azure.function_endpoint import Answer
from rotator.azure.function_facts import Function, HostStatus, SiteFacts
from rotator.redaction import SecretText


class App(Protocol):
    """The app in Resource Manager.

    Every method raises IdentityError or a ResourceManagerError; where it is not allowed, FunctionAppForbiddenError.
    """

    def site(self) -> SiteFacts:
        """Read where the app answers, and its version of Python."""
        ...

    def functions(self) -> tuple[Function, ...]:
        """List the functions that the platform knows."""
        ...

    def sync(self) -> None:
        """Have the platform read anew which functions there are."""
        ...

    def key(self, function: str) -> SecretText:
        """Read a key that opens this function alone."""
        ...

    def host_status(self) -> HostStatus:
        """Read what the Functions host says of itself."""
        ...

    def setting(self, name: str) -> str:
        """Read one app setting, empty if there is none."""
        ...


class Endpoint(Protocol):
    """The app's HTTP triggers."""

    def ask(self, method: str, path: str, key: SecretText, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request; raises AppUnreachableError if there is no answer."""
        ...
