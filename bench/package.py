"""The deployment package as Azure's remote build makes it: what is in it, how large it is, how fast it starts."""

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pathspec

from bench.imports import SIX
from bench.options import Choice

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "package"
LIBRARIES = ".python_packages/lib/site-packages"  # where the Functions host looks
INDEX = "import function_app; print(*sorted(f.get_function_name() for f in function_app.app.get_functions()))"


def included(names: Iterable[str]) -> list[str]:
    """What .funcignore leaves of these paths."""
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
    return sorted(name for name in names if not ignored.match_file(name))


def known() -> list[str]:
    """The project's files: those that git knows or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).exists()]


def files() -> list[str]:
    """The package's files."""
    return included(known())


def libraries() -> Path:
    """The hashed requirements, installed once for each lock file and interpreter; raises CalledProcessError."""
    lock = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()[:16]
    folder = CACHE / f"{lock}-{sys.version_info.major}.{sys.version_info.minor}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
        try:
            subprocess.run(
                [*pip, "--require-hashes", "--only-binary=:all:", "--target", unfinished, "-r", "requirements.txt"],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
            )
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def build(folder: Path) -> Path:
    """Put the package into an empty folder."""
    for name in files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(libraries(), folder / LIBRARIES)
    return folder


def run(folder: Path, code: str) -> str:
    """What a process prints that sees this package and Python's own library, and nothing else."""
    paths = [str(folder), str(folder / LIBRARIES)]
    program = f"import sys; sys.path[:0] = {paths!r}; sys.dont_write_bytecode = True\n{code}"
    command = [sys.executable, "-I", "-S", "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def megabytes(folder: Path) -> float:
    """What all files in a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def seconds(folder: Path, code: str, rounds: int) -> float:
    """How long a process takes (median, after one to warm up)."""
    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        run(folder, code)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def show(choice: Choice) -> None:
    """Print size and start of the package, without compiled files, as it arrives in Azure."""
    with tempfile.TemporaryDirectory() as folder:
        _show(build(Path(folder)), choice.rounds)


def _show(folder: Path, rounds: int) -> None:
    print("\nDeployment package, without compiled files, as it arrives in Azure")
    print(f"  own files        {megabytes(folder) - megabytes(folder / LIBRARIES):7.2f} MB")
    print(f"  with libraries   {megabytes(folder):7.2f} MB")
    floor = seconds(folder, "pass", rounds)
    six, ours = seconds(folder, SIX, rounds) - floor, seconds(folder, INDEX, rounds) - floor
    print("  start, seconds above a bare interpreter's (median)")
    print(f"  six SDK packages imported at the top (baseline)   {six:6.2f}   1.00")
    print(f"  function_app imported and indexed                 {ours:6.2f}   {ours / six:.2f}")
    print(f"  ours starts {six / ours:.1f} times faster")
