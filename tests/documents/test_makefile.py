"""make: which interpreter it takes, and that it works wherever it stands. Nothing is installed here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import parts

ROOT = Path(__file__).resolve().parents[2]
PRETENDER = """#!/bin/sh
case $1 in -c) [ -e "$0.answer" ] && cat "$0.answer" ;; *) echo "$PWD: $*" >>"$RECORD" ;; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what make reads, in a folder with a blank, with a set-up environment whose programs write a record."""
    if not shutil.which("make"):
        pytest.skip("no make")
    made = tmp_path / "a folder"
    programs = made / ".venv" / "bin"
    programs.mkdir(parents=True)
    (made / "examples" / "viewer").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, made)
    shutil.copytree(ROOT / ".ci", made / ".ci")
    for name in ("python", "uv", "lint-imports"):
        (programs / name).write_text(PRETENDER)
        (programs / name).chmod(0o755)
    (made / ".venv" / ".set-up").touch()
    return made


def make(project: Path, *arguments: str, **environment: str) -> str:
    kept = {name: text for name, text in os.environ.items() if name not in {"PYTHON", "VENV", "MAKEFLAGS"}}
    done = subprocess.run(
        ["make", *arguments],
        cwd=project,
        env={**kept, "RECORD": str(project / "record"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def interpreter_of(project: Path, program: str) -> None:
    """Have the environment's python say that it is one of this interpreter."""
    which = "import sys; print(sys._base_executable, *sys.version_info)"
    answer = subprocess.run([program, "-c", which], capture_output=True, text=True, check=True).stdout
    (project / ".venv" / "bin" / "python.answer").write_text(answer)


def test_environment_that_is_set_up_is_kept_whatever_it_was_made_with(project: Path) -> None:
    assert "venv --clear" not in make(project, "-n", "demo")


@pytest.mark.parametrize("given", ["on the command line", "in the environment"])
def test_another_interpreter_sets_it_up_anew(project: Path, given: str) -> None:
    (project / ".venv" / "bin" / "python.answer").write_text("/usr/bin/python3.13 3 13 1 final 0\n")
    if given == "on the command line":
        shown = make(project, "-n", "demo", f"PYTHON={sys.executable}")
    else:
        shown = make(project, "-n", "demo", PYTHON=sys.executable)
    assert "venv --clear" in shown


def test_the_same_interpreter_does_not(project: Path) -> None:
    interpreter_of(project, sys.executable)
    assert "venv --clear" not in make(project, "-n", "demo", f"PYTHON={sys.executable}")


def test_interpreter_that_is_not_there_is_said_before_the_environment_is_touched(project: Path) -> None:
    with pytest.raises(AssertionError):
        make(project, "demo", "PYTHON=python0.0")
    assert (project / ".venv" / ".set-up").exists()


def test_lint_works_in_a_folder_with_a_blank(project: Path) -> None:
    (project / "build").mkdir()
    make(project, "lint")
    record = (project / "record").read_text()
    assert f"{project}/examples/viewer: -m mypy --strict -p viewer" in record
    assert f"{project}: -m ruff check ." in record


@pytest.mark.parametrize("part", parts.PARTS)
def test_ansible_is_installed_only_for_the_part_that_compares_with_it(project: Path, part: str) -> None:
    shown = make(project, "-n", "bench", f"ARGS={part} --rounds 3")
    assert ("ansible-core" in shown) == (part == "delivery")
    assert f"-m bench --ansible build/ansible/bin/ansible-playbook {part} --rounds 3" in shown


@pytest.mark.parametrize("words", ["", "--rounds 3", "gap delivery"])
def test_ansible_is_installed_for_all_parts_or_several(project: Path, words: str) -> None:
    assert "ansible-core" in make(project, "-n", "bench", f"ARGS={words}")
