"""A function app in Resource Manager: its functions, the sync of their triggers, their keys, the host's state.

https://learn.microsoft.com/rest/api/appservice/web-apps
"""

import contextlib
import re
from collections.abc import Iterator

from azure.core.credentials import TokenCredential

from rotator import untrusted
from rotator.azure import arm_client, az_commands, identity, permissions
from rotator.azure.errors import FunctionAppForbiddenError, ResourceManagerError, ResourceManagerForbiddenError
from rotator.azure.function_facts import Function, HostStatus, SiteFacts
from rotator.plan.resource_id import ResourceId
from rotator.redaction import SecretText

_SITES_VERSION = "2025-03-01"  # infra/ deploys with the same one
_HOST_VERSION = "2022-03-01"
_ACTIONS = "Microsoft.Web/sites"
_KEY = re.compile(r"[!-~]+")  # what a header may hold
_FIRST_KEY = "default"


class FunctionApp:
    """One function app, as one identity. Every method raises IdentityError or a ResourceManagerError.

    Where the identity's role does not allow it, that is a FunctionAppForbiddenError.
    """

    def __init__(self, url: str, resource: ResourceId, credential: TokenCredential) -> None:
        self._resource = resource
        self._credential = credential
        self._client = arm_client.ArmClient(url, credential)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """The app's name."""
        return self._resource.name

    def site(self) -> SiteFacts:
        """Read where the app answers, and its version of Python."""
        with self._permitted("read"):
            return SiteFacts.from_answer(self._client.send("GET", str(self._resource), _SITES_VERSION, self._what))

    def functions(self) -> tuple[Function, ...]:
        """List the functions that the platform knows."""
        with self._permitted("functions/read"):
            path = f"{self._resource}/functions"
            found = self._client.list_all(path, _SITES_VERSION, f"the functions of {self._what}")
        return tuple(map(Function.from_answer, found))

    def sync(self) -> None:
        """Have the platform read anew which functions there are, as the portal's Refresh does."""
        with self._permitted("host/sync/action"):
            self._client.start(f"{self._resource}/host/default/sync", _SITES_VERSION, f"a sync of {self._what}")

    def key(self, function: str) -> SecretText:
        """Read a key that opens this function alone."""
        what = f"the keys of function {function!r} of {self._what}"
        with self._permitted("functions/listkeys/action"):
            path = f"{self._resource}/functions/{function}/listkeys"
            answer = self._client.send("POST", path, _SITES_VERSION, what)
        keys = untrusted.texts(answer) | untrusted.texts(answer.get("properties"))
        known = [SecretText(key) for key in (keys.get(_FIRST_KEY), *keys.values()) if key and _KEY.fullmatch(key)]
        if not known:
            raise ResourceManagerError(f"Resource Manager lists none of {what}")
        return known[0]

    def host_status(self) -> HostStatus:
        """Read what the Functions host says of itself; Resource Manager asks it."""
        with self._permitted("hostruntime/host/read"):
            path = f"{self._resource}/hostruntime/admin/host/status"
            return HostStatus.from_answer(self._client.send("GET", path, _HOST_VERSION, f"the host of {self._what}"))

    def setting(self, name: str) -> str:
        """Read one app setting, empty if there is none; for one that is no secret, as all are read at once."""
        with self._permitted("config/list/action"):
            path = f"{self._resource}/config/appsettings/list"
            answer = self._client.send("POST", path, _SITES_VERSION, f"settings of {self._what}")
        return untrusted.texts(answer.get("properties")).get(name, "")

    @property
    def _what(self) -> str:
        return f"function app {self.name!r}"

    @contextlib.contextmanager
    def _permitted(self, action: str) -> Iterator[None]:
        """Name the action that is not allowed, and the role that allows it."""
        try:
            yield
        except ResourceManagerForbiddenError as error:
            role = permissions.WEBSITE_CONTRIBUTOR_NAME
            who = identity.describe(self._credential, self._client.scope)
            command = az_commands.assign_role_to(role, az_commands.word(str(self._resource)), who)
            raise FunctionAppForbiddenError(
                f"{error}: no role allows {_ACTIONS}/{action}",
                remedy=f"Assign the role {role!r} on the function app, and wait some minutes: {command}",
            ) from error
