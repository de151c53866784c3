"""Finds or starts a Docker engine, and makes an image of the binary under test.

The image is the binary and the libraries it loads, imported as one layer: seconds, no registry, and to the runner no
different from the one that ships. `MLOPS_DEPLOY_IMAGE` names another, such as those of `make image`.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MLOPS_DEPLOY_BINARY", ROOT / "target/debug/mlops-deploy"))
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def docker():
    """Skips, and says why, where no engine can be had."""
    if shutil.which("docker") is None:
        pytest.skip("no docker here: the image was not run")
    if answers():
        yield
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("no Docker engine here, and none can be started: the image was not run")
    with tempfile.TemporaryDirectory(prefix="dockerd-") as folder:
        socket = f"unix://{folder}/docker.sock"
        engine = subprocess.Popen(
            ["dockerd", "--iptables=false", "--bridge=none", f"--host={socket}", f"--pidfile={folder}/pid",
             f"--data-root={folder}/data", f"--exec-root={folder}/exec"],
            stdout=(log := open(f"{folder}/log", "w")), stderr=subprocess.STDOUT,
        )
        os.environ["DOCKER_HOST"] = socket
        try:
            deadline = time.monotonic() + 60
            while not answers():
                if engine.poll() is not None or time.monotonic() > deadline:
                    pytest.skip("a Docker engine does not start here: " + Path(log.name).read_text()[-300:])
                time.sleep(0.2)
            yield
        finally:
            engine.terminate()
            engine.wait(30)


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
