"""The tests see nothing of the caller's settings, identity and proxies: they are for another deployment.

Nor does a machine that is busy fail them: Hypothesis sets no time for one example.
"""

import gc
import os
import re
import signal
import sys
from collections.abc import Generator

import hypothesis
import pytest

_THEIRS = re.compile(
    r"(AZURE|AzureWebJobs|FUNCTIONS?|IDENTITY|KEY_?VAULT|KEY_ROTATION|KUBERNETES|MSI|NOTIFY|REPORT|REVOKE|ROTAT\w*|SAS"
    r"|STORAGE|WEBSITE)_.*|AzureWebJobs.*|APPLICATIONINSIGHTS_.*|KUBECONFIG|(?i:(all|https?|no)_proxy)"
)

# Before any test, and any fixture of a wider scope, can read it; in each of xdist's workers too.
for _name in [name for name in os.environ if _THEIRS.fullmatch(name)]:
    del os.environ[_name]

# Else the product is compiled anew in each process that a test starts.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a shell starts in the background ignores Ctrl-C, and so would all that a test starts, and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What there is before the first test stays to the end: the garbage collector need not go through it each time."""
    gc.disable()
    try:
        collected = yield
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # a test makes much that it drops: looking through it less often saves time
    return collected


# Modules whose tests wait a minute and more. Begun first, they wait beside others that work.
_WAITING = ("integration/test_lease.py", "integration/test_failures.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that mostly wait first; the others keep their order."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(_WAITING))


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: what a test waits for is often another process, or a time that has to pass."""
    return (os.cpu_count() or 1) + 2
