#!/usr/bin/env python3
"""Fetches GitHub's published OpenAPI description and cuts it to the paths that are called.

The tests judge every request against it (tests/it/github_description.rs). The whole description is 13 MB inside a
package of 400 MB, so neither is checked in: the package is fetched by npm, compared with the digest below, and only
the cut (under 2 MB) stays, in .cache/. Without npm this says so and succeeds; the tests that need the cut then say
that they were skipped.

Use: tools/github_description.py [--from PACKAGE.tgz]
"""

import argparse
import base64
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "@octokit/openapi@23.0.2"
SHA512 = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
MEMBER = "package/generated/api.github.com.json"

REPOSITORY = "/repos/{owner}/{repo}"
PATHS = ["/rate_limit", "/user", REPOSITORY] + [
    REPOSITORY + path
    for path in (
        "/actions/artifacts",
        "/actions/jobs/{job_id}",
        "/actions/oidc/customization/sub",
        "/actions/runs/{run_id}",
        "/actions/runs/{run_id}/approvals",
        "/actions/runs/{run_id}/artifacts",
        "/actions/runs/{run_id}/attempts/{attempt_number}/jobs",
        "/actions/runs/{run_id}/jobs",
        "/actions/runs/{run_id}/pending_deployments",
        "/check-runs",
        "/check-runs/{check_run_id}",
        "/check-runs/{check_run_id}/annotations",
        "/commits/{ref}",
        "/commits/{commit_sha}/pulls",
        "/commits/{ref}/check-runs",
        "/commits/{ref}/status",
        "/compare/{basehead}",
        "/deployments",
        "/deployments/{deployment_id}",
        "/deployments/{deployment_id}/statuses",
        "/deployments/{deployment_id}/statuses/{status_id}",
        "/environments",
        "/environments/{environment_name}",
        "/issues/comments/{comment_id}",
        "/issues/{issue_number}/comments",
        "/pulls",
        "/pulls/{pull_number}",
        "/pulls/{pull_number}/commits",
        "/pulls/{pull_number}/reviews",
    )
]

FOLDER = pathlib.Path(__file__).resolve().parent.parent / ".cache" / "github-description"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="package", help="a package that is already here")
    package = parser.parse_args().package
    # The name says what it was cut from and to, so that a change of either cuts anew.
    key = hashlib.sha256(json.dumps([PACKAGE, PATHS]).encode()).hexdigest()[:12]
    stamp, cut = FOLDER / "cut-from", FOLDER / "api.github.com.json"
    if cut.exists() and stamp.exists() and stamp.read_text() == key:
        print(f"GitHub's description is here: {cut}")
        return 0
    if not package and not shutil.which("npm"):
        print("skipped: npm is not here, so requests to GitHub are not judged by its description", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        whole = read(pathlib.Path(package) if package else fetch(temporary))
    FOLDER.mkdir(parents=True, exist_ok=True)
    cut.write_text(json.dumps(prune(whole), separators=(",", ":"), sort_keys=True))
    stamp.write_text(key)
    print(f"cut {PACKAGE} to {len(PATHS)} paths: {cut} ({cut.stat().st_size // 1024} KB)")
    return 0


def fetch(folder: str) -> pathlib.Path:
    """Only the archive: installing it would unpack 400 MB."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return next(pathlib.Path(folder).glob("*.tgz"))


def read(package: pathlib.Path) -> dict:
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if digest != SHA512:
        sys.exit(f"{package.name}: its digest is sha512-{digest}, not the one of {PACKAGE}")
    with tarfile.open(package) as archive:
        member = archive.extractfile(MEMBER)
        if member is None:
            sys.exit(f"{package.name} has no {MEMBER}")
        return json.load(member)


def prune(whole: dict) -> dict:
    """The paths, and what they refer to directly or through others."""
    missing = [path for path in PATHS if path not in whole["paths"]]
    if missing:
        sys.exit(f"{PACKAGE} does not describe {', '.join(missing)}")
    paths = {path: whole["paths"][path] for path in PATHS}
    components: dict = {}
    waiting = list(references(paths))
    while waiting:
        kind, name = waiting.pop()
        if name in components.setdefault(kind, {}):
            continue
        components[kind][name] = whole["components"][kind][name]
        waiting.extend(references(components[kind][name]))
    # Examples are most of the text and say nothing a schema does not.
    components.pop("examples", None)
    return {key: whole[key] for key in ("openapi", "info", "servers")} | {
        "paths": without_examples(paths),
        "components": without_examples(components),
    }


def references(value):
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str) and target.startswith("#/components/"):
            yield tuple(target.split("/")[2:4])
        for name, inner in value.items():
            if name != "examples":
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def without_examples(value):
    if isinstance(value, dict):
        # A property may be called `example`; only one that lies beside a type is an illustration.
        return {
            name: without_examples(inner)
            for name, inner in value.items()
            if not (name in ("example", "examples") and ("type" in value or "schema" in value or "$ref" in value))
        }
    if isinstance(value, list):
        return [without_examples(inner) for inner in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
