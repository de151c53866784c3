"""Measures packing and verifying a release of 500 MB, beside tar, gzip and sha256sum on the same tree.

    bench_release.py BINARY [--megabytes 500] [--small 2000]

The program is measured inside a stage on the stand-in workspace: packing as `deploy-dev --dry-run` does it, verifying
as `deploy-staging` does it before anything else. Seconds are those of its journal; memory is the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

BUNDLE = {"bundle": {"name": "heavy"}, "targets": {"dev": {"default": True}, "staging": {}}}


def main() -> None:
    options = arguments()
    binary = os.path.abspath(options.binary)
    stand_in = os.path.abspath(options.stand_in or options.binary)
    server = subprocess.Popen([stand_in, "rehearse", "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        host = next(found.group() for line in server.stdout if (found := re.search(r"http://[\d.]+:\d+", line)))
        with tempfile.TemporaryDirectory() as folder:
            measure(binary, host, Path(folder), options)
    finally:
        server.terminate()
        server.wait()


def measure(binary: str, host: str, folder: Path, options: argparse.Namespace) -> None:
    tree, runs = folder / "tree", folder / "runs"
    runs.mkdir()
    grow(tree, host, options)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "RUNNER_TEMP": str(runs), "DATABRICKS_TOKEN": "dapi0release",
    }
    pack_mb = stage([binary, "deploy-dev", "--dry-run"], tree, environment, 0)
    packed = journal(runs, "deploy-dev")
    release = next(entry["value"] for entry in packed if entry.get("name") == "release")
    pack = next(entry["seconds"] for entry in packed if entry["event"] == "phase-finished" and entry["phase"] == "pack")
    # Nobody vouches for the release: the stage refuses it once every byte of it is verified.
    words = ["deploy-staging", "--release", release["id"], "--release-file", release["file"]]
    verify_mb = stage([binary, *words], tree, environment, 3)
    verify = between(journal(runs, "deploy-staging"))

    ours = {"pack and unpack again": (pack, pack_mb), "verify and unpack": (verify, verify_mb)}
    theirs = {"pack and unpack again": tools_pack(tree, folder), "verify and unpack": tools_verify(folder)}
    print(f"a release of {release['files']} files, {release['size'] / 1e6:.0f} MB; its archive has {release['archive']['size'] / 1e6:.0f} MB\n")
    print("| what | mlops-deploy: s | MB of memory | tar, gzip -1, sha256sum: s | ratio |\n|---|---|---|---|---|")
    for what, (seconds, megabytes) in ours.items():
        print(f"| {what} | {seconds:.2f} | {megabytes:.0f} | {theirs[what]:.2f} | {seconds / theirs[what]:.2f} |")


def grow(tree: Path, host: str, options: argparse.Namespace) -> None:
    """Half of the bytes are noise, as in weights; the other half can be compressed, as tables can."""
    noise = random.Random(1)
    (tree / "data").mkdir(parents=True)
    (tree / "src").mkdir()
    for i in range(options.megabytes):
        content = noise.randbytes(1_000_000) if i % 2 else noise.randbytes(1_000) * 1_000
        (tree / "data" / f"part_{i:04}.bin").write_bytes(content)
    for i in range(options.small):
        (tree / "src" / f"module_{i:04}.py").write_text(f"VALUE = {i}\n" * 20)
    (tree / "databricks.yml").write_text(json.dumps(BUNDLE))
    environments = {name: {"host": host, "plan": "same"} for name in ("dev", "staging")}
    (tree / "mlops-deploy.yml").write_text(json.dumps({"environments": environments}))


def stage(command: list[str], where: Path, environment: dict[str, str], expected: int) -> float:
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=where, env=environment, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            out.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{out.read().decode(errors='replace')[-2000:]}")
    return usage.ru_maxrss / 1024


def journal(runs: Path, of: str) -> list[dict]:
    path = next(runs.glob(f"mlops-deploy/{of}-*/journal.jsonl"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def between(entries: list[dict]) -> float:
    """From the beginning of the phase to the fact that says what was verified."""
    at = lambda entry: datetime.fromisoformat(entry["at"].replace("Z", "+00:00")[:26].rstrip("+") + "+00:00")
    began = next(entry for entry in entries if entry["event"] == "phase-started" and entry["phase"] == "release")
    known = next(entry for entry in entries if entry.get("name") == "release")
    return (at(known) - at(began)).total_seconds()


def tools_pack(tree: Path, folder: Path) -> float:
    """Each file digested, then packed, the archive digested, and unpacked again with every file digested."""
    script = (
        f"cd {tree} && find . -type f -print0 | xargs -0 sha256sum > ../sums && tar -cf - . | gzip -1 -n > ../a.tar.gz"
        " && sha256sum ../a.tar.gz"
    )
    return shell(script) + tools_verify(folder)


def tools_verify(folder: Path) -> float:
    out = folder / f"out-{time.monotonic_ns()}"
    out.mkdir()
    return shell(f"cd {out} && sha256sum ../a.tar.gz && tar -xzf ../a.tar.gz && sha256sum --quiet -c ../sums")


def shell(script: str) -> float:
    began = time.perf_counter()
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--stand-in", metavar="BINARY", help="the one that serves the workspace, where BINARY has no stand-ins")
    return parser.parse_args()


if __name__ == "__main__":
    main()
