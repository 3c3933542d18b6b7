"""The ways in which a deployment does not end well; each has its exit code."""

from rotator.errors import RotatorError


class DeploymentError(RotatorError):
    """The deployment did not end with an app that runs."""


class FunctionsNotListedError(DeploymentError):
    """The platform does not list the app's functions, so none of their triggers fires."""

    exit_code = 4


class FunctionsDisabledError(DeploymentError):
    """The platform lists the app's functions, but some are disabled by an app setting."""

    exit_code = 4


class RunNotAnsweredError(DeploymentError):
    """The functions are listed, and the app does not answer the request for a run."""

    remedy = "Look at the app's log, restart the app, and run finish-deployment again."


class RunFailedError(DeploymentError):
    """The app runs, and its run of what is due failed."""

    exit_code = 6
    remedy = "Correct what the run's report names, and run finish-deployment again."


class RunRefusedError(DeploymentError):
    """The app refused the run; the message and the remedy are its own."""


class TimerSilentError(DeploymentError):
    """The app runs, but its timer has no next moment, or that is not known."""

    exit_code = 5
    remedy = (
        "Restart the function app, and run finish-deployment again. If that does not help, see the run-book *Timer "
        "silent* in docs/operations.md; runs by HTTP work meanwhile."
    )
