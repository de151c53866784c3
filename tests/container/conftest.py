"""Makes an image of the binary under test.

The image is the binary and the libraries it loads, imported as one layer: seconds, no registry, and to the runner no
different from the one that ships. `MLOPS_DEPLOY_IMAGE` names another, such as those of `make image`.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MLOPS_DEPLOY_BINARY", ROOT / "target/debug/mlops-deploy"))
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="session")
def docker() -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no Docker engine here: the image was not run")


@pytest.fixture(scope="session")
def image(docker) -> str:
    if given := os.environ.get("MLOPS_DEPLOY_IMAGE"):
        return given
    if not BINARY.exists():
        pytest.skip(f"{BINARY} was not built")
    tag = "mlops-deploy-action:test"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(BINARY, "usr/local/bin/mlops-deploy")
        settle = tarfile.TarInfo("usr/local/bin/mlops-deploy-settle")
        settle.type, settle.linkname = tarfile.SYMTYPE, "mlops-deploy"
        tar.addfile(settle)
        for library in libraries(BINARY):
            tar.add(library.resolve(), str(library).lstrip("/"))
        if CERTIFICATES.exists():
            tar.add(CERTIFICATES.resolve(), str(CERTIFICATES).lstrip("/"))
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    command = ["docker", "import", "--change", 'ENTRYPOINT ["/usr/local/bin/mlops-deploy"]', "-", tag]
    subprocess.run(command, input=layer.getvalue(), check=True, capture_output=True)
    return tag


def libraries(binary: Path) -> list[Path]:
    """What the loader would load; nothing for a static binary."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    return [Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/")]
