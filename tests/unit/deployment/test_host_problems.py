import pytest

from rotator.deployment import host_problems
from rotator.deployment.host_problems import HostProblem
from sandbox.resource_manager import deployed


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (deployed.SETTING_ERROR, HostProblem.SETTING),
        (
            "Storage account connection string 'AzureWebJobsStorage' does not exist. Make sure that it is a defined "
            "App Setting.",
            HostProblem.SETTING,
        ),
        (
            "Microsoft.Azure.WebJobs.Extensions.Timers: The schedule expression 'x' was not recognized as a valid cron "
            "expression or timespan string.",
            HostProblem.SETTING,
        ),
        (deployed.IMPORT_ERROR, HostProblem.IMPORT),
        ("Exception: ImportError: cannot import name 'x' from 'y'", HostProblem.IMPORT),
        ("Exception: SyntaxError: invalid syntax (function_app.py, line 3)", HostProblem.IMPORT),
        (deployed.STORAGE_ERROR, HostProblem.STORAGE),
        ("Azure.Identity: This request is not authorized to perform this operation.", HostProblem.STORAGE),
        ("Status: 403 ErrorCode: KeyBasedAuthenticationNotPermitted", HostProblem.STORAGE),
        (deployed.IMAGE_ERROR, HostProblem.IMAGE),
        ("Something that nobody has seen", HostProblem.UNKNOWN),
    ],
)
def test_error_of_the_host_has_a_kind_and_a_remedy(error: str, problem: HostProblem) -> None:
    assert host_problems.find([error]) is problem
    assert host_problems.remedy(problem)


def test_most_exact_of_several_errors_counts() -> None:
    assert host_problems.find(["unheard of", deployed.IMPORT_ERROR, deployed.IMAGE_ERROR]) is HostProblem.IMAGE
    assert host_problems.find([]) is HostProblem.UNKNOWN


def test_remedies_differ() -> None:
    assert len({host_problems.remedy(problem) for problem in HostProblem}) == len(HostProblem)


def test_error_is_shown_in_one_short_line() -> None:
    shown = host_problems.line("one\n  two\tthree \x1b[31m" + "x" * 1000)
    assert shown.startswith("one two three \\u001b[31mxxx")
    assert len(shown) < 220
