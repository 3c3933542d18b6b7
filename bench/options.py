"""What a measurement is given: how many rounds, the programs that it compares with, and the sandbox's real parts."""

import dataclasses
import functools

from sandbox import programs
from sandbox.options import Options


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
        programs.require_sshd()
        found.sshd = True
    except programs.MissingProgramError as missing:
        print(f"with the sandbox's own SSH master, as {missing}")
    try:
        found.envtest = programs.envtest_assets("")
    except programs.MissingProgramError as missing:
        print(f"with the sandbox's own Kubernetes API, as {missing}")
    print(f"SSH master: {'OpenSSH' if found.sshd else 'own'}; API server: {'real' if found.envtest else 'own'}")
    return found
