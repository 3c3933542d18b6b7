"""The tests see nothing of the caller's settings, identity and proxies: they are for another deployment."""

import os
import re

_THEIRS = re.compile(
    r"(AZURE|AzureWebJobs|FUNCTIONS?|IDENTITY|KEY_?VAULT|KEY_ROTATION|KUBERNETES|MSI|NOTIFY|REPORT|REVOKE|ROTAT\w*|SAS"
    r"|STORAGE|WEBSITE)_.*|AzureWebJobs.*|APPLICATIONINSIGHTS_.*|KUBECONFIG|(?i:(all|https?|no)_proxy)"
)

# Before any test, and any fixture of a wider scope, can read it; in each of xdist's workers too.
for _name in [name for name in os.environ if _THEIRS.fullmatch(name)]:
    del os.environ[_name]
