"""The deployment package holds the app and nothing else, and the app starts from it alone."""

import fnmatch
import subprocess
from pathlib import Path

import pytest

from bench import package

DATA = ("rotator/reporting/status.html.j2", "rotator/delivery/ssh/deliver.sh")
OURS = {"function_app.py", "host.json", "requirements.txt", *DATA}
LYING_AROUND = [
    "local.settings.json",
    "requirements-dev.txt",
    ".env",
    ".azure/production/.env",
    ".venv/bin/python",
    ".python_packages/lib/site-packages/azure/__init__.py",
    "rotator_env/bin/python",
    "id_ed25519",
    "new-folder/file.py",
    "tests/rotator/app.py",
    "build/rotator/app.py",
    "sandbox/host.json",
    "rotator/__pycache__/app.cpython-313.pyc",
    "README.md",
]


def test_the_package_is_the_app_and_nothing_else() -> None:
    names = set(package.files())
    modules = {name for name in names if name.startswith("rotator/") and name.endswith(".py")}
    assert names - modules == OURS
    assert "rotator/app.py" in modules


def test_azd_packs_the_same_files() -> None:
    assert packed_by_azd([*package.known(), *LYING_AROUND]) == package.files()


def packed_by_azd(names: list[str]) -> list[str]:
    """What azd takes: it asks for each file by itself, the last line that matches decides, and * matches / too."""
    lines = [line for line in (package.ROOT / ".funcignore").read_text().splitlines() if line and line[0] != "#"]
    packed = []
    for name in names:
        ignored = False
        for line in lines:
            pattern = line.lstrip("!")
            if not pattern.endswith("/"):  # those are for folders, which do not speak for what is in them
                path = name if pattern.startswith("/") else name.rpartition("/")[2]
                ignored = line == pattern if fnmatch.fnmatchcase(path, pattern.lstrip("/")) else ignored
        if not ignored:
            packed.append(name)
    return sorted(packed)


@pytest.mark.parametrize("name", LYING_AROUND)
def test_what_lies_around_stays_out(name: str) -> None:
    assert package.included([name]) == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        package.libraries()
    except subprocess.CalledProcessError as error:
        if "hash" in error.stderr.lower():
            raise
        pytest.skip(f"the libraries cannot be installed here: {error.stderr.strip().splitlines()[-1]}")
    return package.build(tmp_path_factory.mktemp("package"))


@pytest.mark.timeout(300)  # the first time on a machine fetches the libraries
def test_the_app_is_indexed_from_the_package_alone(built: Path) -> None:
    names = ["check", "health", "ready", "revoke_now", "rotate_due", "rotate_now", "rotate_on_schedule", "status"]
    assert package.run(built, package.INDEX).split() == names


def test_a_rotation_finds_all_its_libraries_in_the_package(built: Path) -> None:
    paths = (path.relative_to(built).with_suffix("") for path in (built / "rotator").rglob("*.py"))
    modules = sorted(".".join(path.parts) for path in paths if path.stem != "__main__")
    assert len(modules) > 80
    code = "\n".join(f"import {name}" for name in modules)
    assert package.run(built, f"{code}\nprint('found')") == "found\n"


def test_the_package_does_not_see_this_environment(built: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        package.run(built, "import pytest")
