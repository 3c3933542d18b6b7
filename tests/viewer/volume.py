"""A Secret volume as the kubelet writes it.

https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
"""

import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


class SecretVolume:
    """One Secret's keys as links into `..data`, itself a link to the directory of the last projection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def project(self, secret: dict[str, Any]) -> None:
        """Write the Secret's data and swap it in at once."""
        self.write({key: base64.b64decode(value) for key, value in secret["data"].items()})

    def write(self, files: dict[str, bytes]) -> None:
        """The same with contents given; keys that are gone lose their link."""
        former = self._data().resolve() if self._data().exists() else None
        fresh = Path(tempfile.mkdtemp(prefix="..2026_", dir=self.path))
        for key, content in files.items():
            (fresh / key).write_bytes(content)
        swap = self.path / "..data_tmp"
        swap.symlink_to(fresh.name)
        swap.rename(self._data())
        self._link(set(files))
        if former is not None:
            shutil.rmtree(former)

    def _data(self) -> Path:
        return self.path / "..data"

    def _link(self, keys: set[str]) -> None:
        for link in self.path.iterdir():
            if not link.name.startswith("..") and link.name not in keys:
                link.unlink()
        for key in keys:
            if not os.path.lexists(self.path / key):
                (self.path / key).symlink_to(f"..data/{key}")
