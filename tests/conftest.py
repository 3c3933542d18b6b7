"""The tests see nothing of the caller's settings, identity and proxies: they are for another deployment.

Nor does a machine that is busy fail them: Hypothesis sets no time for one example.
"""

import os
import re

import hypothesis

_THEIRS = re.compile(
    r"(AZURE|AzureWebJobs|FUNCTIONS?|IDENTITY|KEY_?VAULT|KEY_ROTATION|KUBERNETES|MSI|NOTIFY|REPORT|REVOKE|ROTAT\w*|SAS"
    r"|STORAGE|WEBSITE)_.*|AzureWebJobs.*|APPLICATIONINSIGHTS_.*|KUBECONFIG|(?i:(all|https?|no)_proxy)"
)

# Before any test, and any fixture of a wider scope, can read it; in each of xdist's workers too.
for _name in [name for name in os.environ if _THEIRS.fullmatch(name)]:
    del os.environ[_name]

hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: what a test waits for is often another process, or a time that has to pass."""
    return (os.cpu_count() or 1) + 1
