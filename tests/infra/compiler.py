"""The Bicep compiler, as one process that is asked by JSON-RPC: to start it takes longer than most of its answers."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from tests.infra import FOLDER, ROOT
from tests.infra.deployments import PARAMETERS, SUFFIX, Deployment

OLDEST = (0, 49)  # what the snapshots were made with; earlier ones write some values differently
NONE_HERE = "no Bicep compiler here: BICEP names one, and `az bicep install` fetches one"
_SECONDS = 120.0  # for one answer, on a busy machine
SCOPE = {
    "tenantId": "11111111-1111-1111-1111-111111111111",
    "subscriptionId": "22222222-2222-2222-2222-222222222222",
    "location": "westeurope",
}


class RefusedError(Exception):
    """The template cannot be evaluated, for example as `fail()` was reached; with the compiler's words."""


class UnfitError(Exception):
    """What was found is no compiler that answers, or too old a one."""


def find() -> str | None:
    """Where a compiler is: what BICEP names, on the PATH, beside this checkout, or where `az bicep install` put it."""
    usual = (ROOT.parent / "shared/bicep/bicep", Path.home() / ".azure/bin/bicep")
    return os.environ.get("BICEP") or next(filter(None, map(shutil.which, ("bicep", *map(str, usual)))), None)


def surroundings() -> dict[str, str]:
    """The environment that it starts in: Debian's minimal images have no ICU, which .NET wants otherwise."""
    return {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}


class Compiler:
    """A context manager; paths are absolute. Bicep files are read anew for each question, what they load is not."""

    def __init__(self, program: str, *, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._command = [program, "jsonrpc", "--stdio"]
        self._requests = 0

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self._process = subprocess.Popen(
                self._command, env=surroundings(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise UnfitError(f"{self._command[0]} cannot be started: {error.strerror}") from error
        try:
            self._check()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """End it."""
        self._end()

    def diagnostics(self, path: Path) -> list[str]:
        """All that it has to say of a file and of what that refers to."""
        return [
            f"{Path(each['source']).name}:{each['range']['start']['line'] + 1}: {each['code']}: {each['message']}"
            for each in self._request("compile", path=str(path))["diagnostics"]
        ]

    def template(self, path: Path) -> dict[str, Any]:
        """The ARM template that a file compiles to."""
        found: dict[str, Any] = json.loads(self._request("compile", path=str(path))["contents"])
        return found

    def formatted(self, path: Path) -> str:
        """A file as `bicep format` would write it."""
        return str(self._request("format", path=str(path))["contents"])

    def deployment(self, parameters: Path, **scope: str) -> Deployment:
        """What a file of parameters would deploy, as `bicep snapshot` tells it."""
        answer = self._request("getSnapshot", path=str(parameters), metadata={**SCOPE, **scope}, externalInputs=[])
        return Deployment.parse(answer["snapshot"])

    def _check(self) -> None:
        version = str(self._request("version")["version"])
        if tuple(int(each) for each in re.findall(r"\d+", version)) < OLDEST:
            raise UnfitError(f"{self._command[0]} is {version}; {'.'.join(map(str, OLDEST))} or later is needed")

    def _request(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._requests += 1
        request = {"jsonrpc": "2.0", "id": self._requests, "method": f"bicep/{method}", "params": [parameters]}
        limit = threading.Timer(self._seconds, self._process.kill)
        limit.start()
        try:
            answer = self._exchanged(json.dumps(request).encode())
        except (OSError, ValueError) as error:
            raise UnfitError(f"{self._command[0]} is no Bicep compiler that answers `jsonrpc --stdio`") from error
        finally:
            limit.cancel()
        if "error" in answer:
            raise RefusedError(answer["error"]["message"])
        found: dict[str, Any] = answer["result"]
        return found

    def _exchanged(self, body: bytes) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return found

    def _end(self) -> None:
        self._process.kill()
        with contextlib.suppress(OSError):  # what it was asked last may not have been taken
            self._process.communicate()


class Deployments(Mapping[str, Deployment]):
    """What files of parameters would deploy, by their names; each is evaluated once somebody wants it."""

    def __init__(self, compiler: Compiler, parameters: Iterable[Path]) -> None:
        self._compiler = compiler
        self._paths = {each.stem: each for each in sorted(parameters)}
        self._known: dict[str, Deployment] = {}

    def __getitem__(self, name: str) -> Deployment:
        """Evaluate one."""
        if name not in self._known:
            self._known[name] = self._compiler.deployment(self._paths[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._paths)


def main() -> None:
    """Evaluate the template anew for every set of parameters and keep what comes out."""
    program = find()
    if program is None:
        sys.exit(NONE_HERE)
    try:
        with Compiler(program) as compiler:
            if problems := compiler.diagnostics(FOLDER / "main.bicep"):
                sys.exit("\n".join(problems))
            for name, deployment in Deployments(compiler, PARAMETERS.glob("*.bicepparam")).items():
                (PARAMETERS / f"{name}{SUFFIX}").write_text(deployment.text())
    except (RefusedError, UnfitError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
