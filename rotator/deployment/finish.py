"""The end of a deployment, in this order: what is unusual in the app, its functions, a run, the timer."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from rotator.azure.errors import FunctionAppForbiddenError, ResourceManagerError
from rotator.azure.function_facts import SiteFacts
from rotator.deployment import listing, run, timer
from rotator.deployment.errors import DeploymentError, RunFailedError, TimerSilentError
from rotator.deployment.interface import App, Endpoint
from rotator.deployment.progress import Announce, Progress, ProgressKind, Stage
from rotator.deployment.waiting import Wait, duration
from rotator.redaction import SecretText

LONGEST_WAIT_SECONDS = 600.0
TIME_ZONE = "WEBSITE_TIME_ZONE"
_FIRST_ON_A_NEW_IMAGE = (3, 12)


class Deployment:
    """Ends one deployment, and changes nothing: it can be repeated.

    `connect` makes the endpoint of the app's URL. Each step may take `seconds`. `announce` gets each line.
    """

    def __init__(
        self,
        app: App,
        connect: Callable[[str], contextlib.AbstractContextManager[Endpoint]],
        announce: Announce,
        *,
        seconds: float = LONGEST_WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._app = app
        self._connect = connect
        self._announce = announce
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    def finish(self) -> None:
        """Return when the app runs, and its timer will fire.

        Raises a DeploymentError, BusyError, AppUnreachableError, IdentityError or ResourceManagerError.
        """
        site = self._app.site()
        if site.url is None:
            raise DeploymentError("Resource Manager names no host for the app", remedy="Deploy the template again.")
        self._warn(site)
        listing.wait_until_listed(self._app, self._wait(), self._announce)
        with self._connect(site.url) as endpoint:
            report = self._rotate(endpoint)
            failed = f"run {report['run']} failed" if report["failed"] else ""
            self._look_at_timer(endpoint, failed)
        if failed:
            raise RunFailedError(f"the functions are listed, but {failed}")

    def _look_at_timer(self, endpoint: Endpoint, failed: str) -> None:
        """Wait for the timer's next moment; `failed` says that the run failed, which the error then says too."""
        seconds = min(self._seconds, timer.LONGEST_WAIT_SECONDS)
        key = self._key(timer.FUNCTION, Stage.TIMER)
        try:
            timer.wait_for_next_run(endpoint, key, self._wait(seconds), self._announce)
        except TimerSilentError as error:
            if not failed:
                raise
            remedy = f"{RunFailedError.remedy} {error.remedy}"
            raise TimerSilentError(f"{error}; and {failed}", remedy=remedy) from error

    def _wait(self, seconds: float | None = None) -> Wait:
        return Wait(self._seconds if seconds is None else seconds, self._clock, self._sleep)

    def _warn(self, site: SiteFacts) -> None:
        texts = []
        if site.python and site.python < _FIRST_ON_A_NEW_IMAGE:
            version = ".".join(map(str, site.python))
            texts.append(
                f"the app has Python {version}, whose image has glibc 2.31: wheels of cryptography from 44 on do not "
                "load there. Set its runtime to Python 3.13"
            )
        if self._time_zone():
            texts.append(
                f"the app setting {TIME_ZONE} is set, which Flex Consumption and Linux Consumption do not support: "
                "timers misbehaved with it. Delete it"
            )
        for text in texts:
            self._announce(Progress(Stage.APP, ProgressKind.WARNING, text))

    def _time_zone(self) -> str:
        with contextlib.suppress(ResourceManagerError):  # who may not list the settings gets no such warning
            return self._app.setting(TIME_ZONE)
        return ""

    def _key(self, function: str, stage: Stage) -> SecretText:
        """Read a function's key. Resource Manager asks the host for it, which may still be starting."""
        wait = self._wait()
        while True:
            try:
                return self._app.key(function)
            except FunctionAppForbiddenError:
                raise
            except ResourceManagerError as error:
                text = f"waiting for a key of {function}: {error}, {duration(wait.elapsed())}"
                self._announce(Progress(stage, ProgressKind.WAITING, text))
                if not wait.pause():
                    raise

    def _rotate(self, endpoint: Endpoint) -> Mapping[str, Any]:
        report = run.rotate_due(endpoint, self._key(run.FUNCTION, Stage.RUN), self._wait(), self._announce)
        kind = ProgressKind.FAILED if report["failed"] else ProgressKind.DONE
        text = f"run {report['run']} {'failed' if report['failed'] else 'did what is due'}"
        self._announce(Progress(Stage.RUN, kind, text, report))
        return report
