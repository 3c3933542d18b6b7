"""Checks the Python that the app runs on in Azure."""

import platform
import sys

from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import PlanCheck, Results

_OLDEST = (3, 12)
_IN_AZURE = "WEBSITE_SITE_NAME"


class PythonSupported(PlanCheck[None]):
    """The Functions image of this Python loads the wheels of our packages.

    That of Python 3.11 and before has glibc 2.31, where those of cryptography 44 and later do not load
    (https://github.com/Azure/azure-functions-python-worker/issues/1651).
    """

    name = "Python"

    def run(self, _results: Results, report: Reporter) -> None:
        """Warn of an old Python in Azure; elsewhere any will do that the app starts on."""
        version = platform.python_version()
        if _IN_AZURE not in self.context.environment or sys.version_info >= _OLDEST:
            report(Level.OK, f"Python {version}")
            return
        report(
            Level.WARNING,
            f"Python {version}: its image in Azure has glibc 2.31, on which newer wheels do not load; after the next "
            "deployment the app may have no functions",
            "Let the function app run on Python 3.13, as infra/app/function.bicep has it.",
        )
