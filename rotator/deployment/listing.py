"""Waits until the platform lists the app's functions: before, none of their triggers fires.

After a deployment to Flex Consumption the platform may know only its own function, WarmUp, until the triggers are
synced. One sync may come too early, as it races with the start of the host, so it is repeated
(https://github.com/Azure/azure-functions-host/issues/10169).
"""

import dataclasses
from collections.abc import Collection

from rotator.azure.errors import FunctionAppForbiddenError, IdentityError, ResourceManagerError
from rotator.azure.function_facts import Function
from rotator.deployment import host_problems
from rotator.deployment.errors import FunctionsDisabledError, FunctionsNotListedError
from rotator.deployment.interface import App
from rotator.deployment.progress import Announce, Progress, ProgressKind, Stage
from rotator.deployment.waiting import Wait, duration

# The functions of function_app.py, which cannot be imported here without Azure's programming model.
FUNCTIONS = (
    "rotate_on_schedule",
    "rotate_now",
    "rotate_due",
    "revoke_now",
    "check",
    "status",
    "ready",
    "health",
)


@dataclasses.dataclass(frozen=True)
class _Listing:
    """What one look found; `problem` is why nothing could be listed, or empty."""

    functions: tuple[Function, ...] = ()
    problem: str = ""

    def missing(self, wanted: Collection[str]) -> list[str]:
        known = {function.name for function in self.functions}
        return [name for name in wanted if name not in known]

    def text(self) -> str:
        if self.problem:
            return self.problem
        names = [function.name for function in self.functions]
        return f"only {', '.join(names)} {'is' if len(names) == 1 else 'are'}" if names else "none is"


class _Syncs:
    """Syncs the triggers as long as that is allowed, and counts."""

    def __init__(self, app: App, announce: Announce) -> None:
        self._app = app
        self._announce = announce
        self._allowed = True
        self.text = ""
        self._count = 0

    def again(self) -> None:
        """Sync once; what came of it is in `text`."""
        if not self._allowed:
            return
        self._count += 1
        self.text = f"; {_ordinal(self._count)} sync"
        try:
            self._app.sync()
        except FunctionAppForbiddenError as error:
            self._allowed, self.text = False, "; without a sync"
            text = f"the triggers are not synced: {error}. {error.remedy}"
            self._announce(Progress(Stage.FUNCTIONS, ProgressKind.WARNING, text))
        except ResourceManagerError as error:
            self.text += f", which failed: {error}"


def wait_until_listed(app: App, wait: Wait, announce: Announce, wanted: Collection[str] = FUNCTIONS) -> None:
    """Sync once, for a package that replaces another one; then list and sync until all functions are listed.

    Raises FunctionsNotListedError, FunctionsDisabledError, FunctionAppForbiddenError or IdentityError.
    """
    syncs = _Syncs(app, announce)
    syncs.again()
    while True:
        found = _list(app)
        missing = found.missing(wanted)
        if not missing:
            return _require_enabled(found, wanted, announce)
        what = "the functions" if len(missing) == len(wanted) else ", ".join(missing)
        text = f"waiting for {what} to be listed: {found.text()}{syncs.text}, {duration(wait.elapsed())}"
        announce(Progress(Stage.FUNCTIONS, ProgressKind.WAITING, text))
        if not wait.pause():
            raise _not_listed(app, found, missing, wait)
        syncs.again()


def _list(app: App) -> _Listing:
    try:
        return _Listing(app.functions())
    except FunctionAppForbiddenError:
        raise
    except ResourceManagerError as error:  # Resource Manager asks the host, which may be starting
        return _Listing(problem=str(error))


def _require_enabled(found: _Listing, wanted: Collection[str], announce: Announce) -> None:
    disabled = [function.name for function in found.functions if function.disabled and function.name in wanted]
    if disabled:
        names = " and ".join(f"AzureWebJobs.{name}.Disabled" for name in disabled)
        raise FunctionsDisabledError(
            f"all functions are listed, but {', '.join(disabled)} {'is' if len(disabled) == 1 else 'are'} disabled",
            remedy=f"Delete the app setting {names} in the portal or the template, and run finish-deployment again.",
        )
    announce(Progress(Stage.FUNCTIONS, ProgressKind.DONE, f"all {len(wanted)} functions are listed"))


def _not_listed(app: App, found: _Listing, missing: list[str], wait: Wait) -> FunctionsNotListedError:
    text = f"{', '.join(missing)} not listed after {duration(wait.elapsed())}: {found.text()}"
    try:
        status = app.host_status()
    except (ResourceManagerError, IdentityError) as error:
        unknown = host_problems.remedy(host_problems.HostProblem.UNKNOWN)
        return FunctionsNotListedError(f"{text}\nthe host's state is not known: {error}", remedy=unknown)
    lines = [f"the host is in the state {status.state}{'' if status.errors else ', without an error'}"]
    lines += [f"  - {host_problems.line(error)}" for error in status.errors]
    remedy = host_problems.remedy(host_problems.find(status.errors))
    return FunctionsNotListedError("\n".join([text, *lines]), remedy=remedy)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
