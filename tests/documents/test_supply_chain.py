"""What others make is taken by a name that cannot come to mean something else, and kept up to date."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
AUTOMATED = [*WORKFLOWS, ROOT / ".devcontainer/devcontainer.json", ROOT / ".ci/run", ROOT / "Makefile"]
AUTOMATED += [ROOT / "examples/viewer/Containerfile", ROOT / "azure.yaml", *sorted((ROOT / "infra/hooks").glob("*.sh"))]


def uses(workflow: Path) -> Iterator[str]:
    return (line.strip() for line in workflow.read_text().splitlines() if re.match(r"\s*-?\s*uses:", line))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_named_by_commit_with_their_version_beside(workflow: Path) -> None:
    lines = list(uses(workflow))
    assert lines
    for line in lines:
        assert re.fullmatch(r"-? ?uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_the_same_commit_wherever_it_is_used() -> None:
    versions: dict[str, set[str]] = {}
    for line in (line for workflow in WORKFLOWS for line in uses(workflow)):
        action, _, version = line.partition("uses: ")[2].lower().partition("@")
        versions.setdefault(action, set()).add(version)
    assert {action: version for action, version in versions.items() if len(version) > 1} == {}


@pytest.mark.parametrize("path", AUTOMATED, ids=lambda path: path.name)
def test_nothing_is_taken_as_whatever_is_the_latest(path: Path) -> None:
    assert re.findall(r"\S*[@:]latest\b", path.read_text()) == []


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci/run", ROOT / "Makefile"], ids=lambda path: path.name)
def test_packages_are_installed_as_they_are_pinned(path: Path) -> None:
    lines = path.read_text().replace("\\\n", " ").splitlines()
    # ansible is what the benchmark compares with, never what is shipped or tested with.
    for line in (line for line in lines if "pip install" in line and "ansible" not in line):
        assert "--require-hashes" in line
    assert not any(re.search(r"npm (install|i|exec)\b|\bnpx\b", line) for line in lines)


def manifests(*names: str) -> set[str]:
    found = (
        path
        for name in names
        for path in [*ROOT.glob(name), *ROOT.glob(f".ci/{name}"), *ROOT.glob(f"examples/*/{name}")]
    )
    return {f"/{folder}" if (folder := path.parent.relative_to(ROOT).as_posix()) != "." else "/" for path in found}


def test_dependabot_looks_after_every_manifest() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    looked_after = {each["package-ecosystem"]: set(each.get("directories") or [each["directory"]]) for each in updates}
    assert looked_after["pip"] == manifests("requirements*.txt")
    assert looked_after["npm"] == manifests("package-lock.json")
    assert looked_after["docker"] == manifests("Containerfile")
    assert looked_after["github-actions"] == {"/"}
    assert looked_after["devcontainers"] == {"/"}


def test_npm_packages_are_exact_and_every_part_of_them_has_its_hash() -> None:
    wanted = json.loads((ROOT / ".ci/package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / ".ci/package-lock.json").read_text())["packages"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [
        name for name, each in locked.items() if name and not each.get("integrity") and not each.get("inBundle")
    ] == []


@pytest.mark.parametrize(
    "path", ["requirements.txt", "requirements-dev.txt", ".ci/requirements.txt", "examples/viewer/requirements.txt"]
)
def test_python_packages_are_exact_and_have_hashes(path: str) -> None:
    entries = (ROOT / path).read_text().replace("\\\n", " ").splitlines()
    packages = [entry for entry in entries if entry.strip() and not entry.lstrip().startswith("#")]
    assert packages
    for entry in packages:
        assert re.match(r"[\w.\[\]-]+==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_audit_reads_every_file_that_something_is_installed_from() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\naudit:")[2].partition("\n\n")[0]
    for path in ("requirements.txt", "requirements-dev.txt", "examples/viewer/requirements.txt"):
        assert path in recipe
