"""Whether the tests notice when a line of the product is wrong: `python -m tests.mutations [NUMBER ...]`.

Each mutation changes one line in a copy of the project, and runs the tests of that part there, of which at least one
must fail. Ends with 1 if a mutation is noticed by none, or changes nothing any more. It takes some five minutes, so
that no other test runs it.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("rotator", "sandbox", "tests", "bench", "demo", "infra", "docs", "function_app.py", "pyproject.toml")


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One line of a file, what stands there instead, and the tests that are to notice."""

    file: str
    line: str
    instead: str
    tests: str


MUTATIONS = (
    # What keeps a secret in, and strangers out.
    Mutation("plan/host_keys.py", "return any(pin.matches(", "return True or any(pin.matches(", "unit/delivery"),
    Mutation("plan/host_keys.py", "return hmac.compare_digest(actual, self.digest)", "return True", "unit/plan"),
    Mutation("secret_forms.py", "yield from _within_base64(raw)", "return", "unit/test_redaction.py"),
    Mutation(
        "redaction.py", 'r"(?i)(?<![A-Za-z])sig(?:=|%3D)', 'r"(?i)(?<![A-Za-z])sig(?:=)', "unit/test_redaction.py"
    ),
    Mutation(
        "issuers/proof.py", "if status in _REFUSALS:", "if status in _REFUSALS[2:]:", "integration/test_failures.py"
    ),
    # What keeps a consumer working.
    Mutation("rotation/due.py", "if expires >= following + MARGIN:", "if expires >= following:", "unit/rotation"),
    Mutation("rotation/due.py", "if age >= plan.fresh_for:", "if age > plan.fresh_for:", "unit/rotation"),
    Mutation("delivery/ssh/channel.py", "        attempts.fence()\n", "", "unit/rotation"),
    Mutation("delivery/manifest.py", "if target.adopt or (held.ours", "if True or (held.ours", "unit/delivery"),
    Mutation("delivery/manifest.py", "        data.pop(name, None)", "        pass", "unit/delivery"),
    Mutation("delivery/held_values.py", "live_secret.digest_of_text(listed) == digest", "True", "unit/delivery"),
    Mutation("delivery/held_values.py", "if each.fingerprint == written", "if True", "unit/delivery"),
    Mutation("delivery/ssh/deliver.sh", 'create restore "$old"', "true", "unit/delivery"),
    Mutation("delivery/ssh/deliver.sh", "?$query", "", "unit/delivery"),
    Mutation("rotation/keys/rotate.py", "if blockers and not forced:", "if False:", "unit/rotation/keys"),
    Mutation("rotation/keys/in_use.py", "    if name in keys:", "    if False:", "unit/rotation/keys"),
    Mutation("rotation/run.py", "former.expiry > now and key_lives(former)", "True", "unit/rotation"),
    Mutation("rotation/keys/in_use.py", "if isinstance(held, Failed):", "if False:", "unit/rotation/keys"),
    Mutation("rotation/keys/regenerate.py", "if account_state.active == name:", "if False:", "unit/rotation/keys"),
    Mutation(
        "rotation/keys/clock_check.py",
        "if before - bound <= theirs <= after + bound:",
        "if True:",
        "unit/rotation/keys",
    ),
    Mutation("issuers/keyvault.py", "if before.keys is None and", "if", "unit/rotation"),
    Mutation("plan/timer.py", "if time > now - MARGIN:", "if time > now:", "unit/plan"),
    Mutation("azure/host_storage/timer_record.py", "None if outdated else newest", "newest", "unit/azure"),
    # What runs although something has stopped.
    Mutation("app.py", "if request.if_missed and not", "if False and not", "integration/test_second_trigger.py"),
    Mutation("app.py", "        run_lock.completed()\n", "", "integration/test_second_trigger.py"),
    Mutation("rotation/readiness.py", "return last.interrupted is not None or", "return", "unit/rotation"),
    Mutation("rotation/readiness.py", "now > due + MARGIN", "False", "unit/rotation"),
    Mutation(
        "azure/retries.py", "                self._failing_since = None\n", "                pass\n", "unit/azure"
    ),
    Mutation("plan/tolerance.py", "until - MARGIN)", "until)", "unit/plan"),
    Mutation("deployment/listing.py", "    syncs.again()\n    while True:", "    while True:", "unit/deployment"),
    # One at a time.
    Mutation("rotation/lock.py", "if not self._lock.acquire(blocking=False):", "if False:", "unit/rotation"),
    Mutation(
        "azure/host_storage/blob_lease.py",
        "            if self._lost_because:\n",
        "            if False:\n",
        "integration/test_lease.py",
    ),
    # What is reported.
    Mutation("rotation/run.py", "if not isinstance(first, Rotated):", "if True:", "unit/rotation"),
    Mutation("reporting/archive.py", "overwrite=False", "overwrite=True", "contract/test_archive.py"),
    Mutation("errors.py", "http_status = 409", "http_status = 500", "unit/test_function_app.py"),
    Mutation("../function_app.py", "    if report.failed:\n", "    if False:\n", "integration/test_functions.py"),
    Mutation(
        "checks/host_storage.py",
        "return Level.FAILURE if",
        "return Level.WARNING if",
        "integration/test_check_storage.py",
    ),
    Mutation("plan/schedule.py", "date.isoweekday() % 7 in times.weekday", "True", "unit/plan"),
)


def noticed(mutation: Mutation, copy: Path) -> bool:
    """Whether a test fails; raises LookupError for a line that is not there."""
    path = (copy / "rotator" / mutation.file).resolve()
    text = path.read_text()
    if mutation.line not in text:
        raise LookupError(mutation.line)
    path.write_text(text.replace(mutation.line, mutation.instead, 1))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n2", "-m", "not real", f"tests/{mutation.tests}"]
        environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    finally:
        path.write_text(text)
    # Several processes that stop at the first failure may end as interrupted (2), which an error of collecting is too.
    failed = re.search(r"^\d+ failed", done.stdout, re.MULTILINE) is not None
    if done.returncode != 0 and not failed:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return failed


def main(numbers: Sequence[str]) -> int:
    """Try these, or all; print what became of each."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as directory:
        copy = Path(directory)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        for number, mutation in enumerate(MUTATIONS, 1):
            if numbers and str(number) not in numbers:
                continue
            try:
                verdict = "noticed" if noticed(mutation, copy) else "MISSED"
            except LookupError:
                verdict = "NOT THERE"
            missed += verdict != "noticed"
            print(f"{number:3} {verdict:9} {mutation.file}: {mutation.line.strip()}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
