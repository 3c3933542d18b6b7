"""What every check is: what it is about, what it may need of earlier ones, and how it reports.

A check is about the whole plan, about one cluster, or about one target, and is made once for each of these. It names
what it needs by type: `results.of(LoggedIn)` waits for the check `LoggedIn` of the same cluster and returns its result.
Checks' names are for people, in a terminal and in JSON; nothing looks them up.
"""

import abc
import concurrent.futures
from collections.abc import Collection, Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rotator import errors
from rotator.checks.findings import Level, Reporter
from rotator.plan.plan import Cluster, Plan, Target

if TYPE_CHECKING:  # the app starts without the SDKs, which a context needs
    from rotator.checks.context import Context

Found = TypeVar("Found")
THE_PLAN = None  # the subject of a check of the whole plan


class Check(abc.ABC, Generic[Found]):
    """One check of one subject; a subclass is what later checks name to get its result.

    A subclass is named after the fact that it establishes. `name` is its name for people; `label` adds the subject
    where the plan has several.
    """

    name: ClassVar[str]

    def __init__(self, context: "Context", subject: Any) -> None:
        self.context = context
        self.plan = context.plan
        self.label = self.label_of(context.plan, subject)

    @classmethod
    @abc.abstractmethod
    def subjects(cls, plan: Plan) -> Collection[Hashable]:
        """Return what is checked in this plan, in its order; nothing where no rotation needs it."""

    @classmethod
    @abc.abstractmethod
    def subject_for(cls, subject: Hashable) -> Hashable:
        """Return on which subject of this check one of `subject` depends; raises SubjectError if on no single one."""

    @classmethod
    @abc.abstractmethod
    def has_several(cls, plan: Plan) -> bool:
        """Whether a name alone does not say what is checked."""

    @classmethod
    def label_of(cls, plan: Plan, subject: Hashable) -> str:
        """Return the name for people of this check of `subject`."""
        return f"{cls.name} ({subject})" if cls.has_several(plan) else cls.name

    @property
    def severity(self) -> Level:
        """What an error that `run` raises means for a rotation."""
        return Level.FAILURE

    @abc.abstractmethod
    def run(self, results: "Results", report: Reporter) -> Found:
        """Check, report what was found, and return the result for later checks; changes nothing.

        Raises DependencyError where it needs a result that is missing, AlreadyReportedError where it has no result
        itself and has reported why, and any RotatorError for the runner to report.
        """

    def command(self, error: errors.RotatorError, results: "Results") -> str:  # noqa: ARG002
        """Return the command that repairs what `run` raised; empty where there is none."""
        return ""


class PlanCheck(Check[Found]):
    """A check of the whole plan: its account, its vault, its storage. It is run once."""

    @classmethod
    def applies(cls, plan: Plan) -> bool:  # noqa: ARG003  # most checks apply to every plan
        """Whether a rotation of this plan needs what is checked."""
        return True

    @classmethod
    def subjects(cls, plan: Plan) -> Collection[Hashable]:
        """The plan, if the check applies to it."""
        return (THE_PLAN,) if cls.applies(plan) else ()

    @classmethod
    def subject_for(cls, subject: Hashable) -> Hashable:  # noqa: ARG003  # whatever it is, it is in the plan
        """The plan."""
        return THE_PLAN

    @classmethod
    def has_several(cls, plan: Plan) -> bool:  # noqa: ARG003
        """There is one plan."""
        return False


class ClusterCheck(Check[Found]):
    """A check of one cluster: its master, and Kubernetes there. It is run once for each cluster."""

    def __init__(self, context: "Context", cluster: Cluster) -> None:
        super().__init__(context, cluster)
        self.cluster = cluster

    @property
    def any_target(self) -> Target:
        """One of the cluster's targets, for a command that needs one, whichever it is."""
        return self.plan.by_cluster[self.cluster][0]

    @classmethod
    def subjects(cls, plan: Plan) -> Collection[Hashable]:
        """Every cluster."""
        return plan.clusters

    @classmethod
    def subject_for(cls, subject: Hashable) -> Hashable:
        """The cluster itself, or the target's."""
        return cluster_of(subject)

    @classmethod
    def has_several(cls, plan: Plan) -> bool:
        """Whether there are several clusters."""
        return len(plan.clusters) > 1


class TargetCheck(Check[Found]):
    """A check of one target: its namespace and its Secret. It is run once for each target."""

    def __init__(self, context: "Context", target: Target) -> None:
        super().__init__(context, target)
        self.target = target

    @classmethod
    def applies(cls, target: Target) -> bool:  # noqa: ARG003  # most checks apply to every target
        """Whether a rotation of this target needs what is checked."""
        return True

    @classmethod
    def subjects(cls, plan: Plan) -> Collection[Hashable]:
        """Every target to which the check applies."""
        return tuple(filter(cls.applies, plan.targets))

    @classmethod
    def subject_for(cls, subject: Hashable) -> Hashable:
        """The target itself."""
        if isinstance(subject, Target):
            return subject
        raise SubjectError("target", subject)

    @classmethod
    def has_several(cls, plan: Plan) -> bool:
        """Whether there are several targets."""
        return len(plan.targets) > 1


def cluster_of(subject: Hashable) -> Cluster:
    """Return the cluster, or the target's cluster; raises SubjectError for anything else."""
    if isinstance(subject, Cluster):
        return subject
    if isinstance(subject, Target):
        return subject.cluster
    raise SubjectError("cluster", subject)


class SubjectError(Exception):
    """A check asks for a result that there is once for each cluster or target, and is about no single one itself."""

    def __init__(self, needed: str, subject: Hashable) -> None:
        super().__init__(f"a check of {subject or 'the whole plan'} needs the result for one {needed} of many")


class DependencyError(Exception):
    """A check needs the result of `check` of `subject`, which has none."""

    def __init__(self, check: type[Check[Any]], subject: Hashable = THE_PLAN) -> None:
        super().__init__(check.name)
        self.check = check
        self.subject = subject


class AlreadyReportedError(Exception):
    """A check has reported what is wrong, and has no result."""


Key = tuple[type[Check[Any]], Hashable]
"""A check, and its subject."""


class Results:
    """The results of the checks before one check of `subject`.

    Of later ones there are none, so that no two wait for each other.
    """

    def __init__(self, earlier: Mapping[Key, "concurrent.futures.Future[Any]"], subject: Hashable = THE_PLAN) -> None:
        self._earlier = earlier
        self._subject = subject

    def of(self, check: type[Check[Found]]) -> Found:
        """Wait for a check and return its result: that of the plan, or of this check's own cluster or target.

        Raises DependencyError where it has none, with the check that is the cause: of one that was skipped, the one
        that it needed itself. Raises SubjectError where there is one for each cluster or target, and this check is
        about none.
        """
        return self._of(check, check.subject_for(self._subject))

    def _of(self, check: type[Check[Found]], subject: Hashable) -> Found:
        try:
            result: Found = self._earlier[check, subject].result()
        except DependencyError as error:
            raise DependencyError(error.check, error.subject) from None
        except (KeyError, AlreadyReportedError, errors.RotatorError):
            raise DependencyError(check, subject) from None
        return result

    def require(self, *checks: type[Check[Any]]) -> None:
        """Wait for checks whose results themselves are not needed; raises DependencyError where one has none."""
        for check in checks:
            self.of(check)

    def require_any(self, check: type[Check[Any]]) -> None:
        """Wait until a check has a result for any of its subjects; raises DependencyError where it has none."""
        missing = DependencyError(check)
        for kind, subject in self._earlier:
            if kind is check:
                try:
                    self._of(check, subject)
                except DependencyError as error:
                    missing = error
                else:
                    return
        raise missing

    def find(self, check: type[Check[Found]]) -> Found | None:
        """Wait for a check and return its result, or None where it has none."""
        try:
            return self.of(check)
        except DependencyError:
            return None
