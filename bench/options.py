"""What a measurement is given: how many rounds, the programs that it compares with, and the sandbox's real parts."""

import dataclasses
import functools

from sandbox import parts
from sandbox.world import Options


@dataclasses.dataclass(frozen=True)
class Choice:
    """`rounds`: how often each way is measured. `ansible`: path of ansible-playbook, None where it is missing."""

    rounds: int
    ansible: str | None


@functools.cache
def options() -> Options:
    """Take the real sshd and API server where they are, and print once which ones these are."""
    found = Options()
    try:
        parts.require_sshd()
        found.sshd = True
    except parts.MissingPartError as missing:
        print(f"with the sandbox's own SSH master, as {missing}")
    try:
        found.envtest = parts.envtest_assets("")
    except parts.MissingPartError as missing:
        print(f"with the sandbox's own Kubernetes API, as {missing}")
    print(f"SSH master: {'OpenSSH' if found.sshd else 'own'}; API server: {'real' if found.envtest else 'own'}")
    return found
