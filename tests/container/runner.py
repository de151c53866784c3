"""Runs an image as GitHub's runner runs a container action.

A double of the runner, not of a workflow: the same mounts, variables passed by name, host paths rewritten to the
container's, both streams kept, command files read as the runner reads them, and the signals of a cancelled job. A tool
that runs whole workflows leaves out HOME, the file-command paths and the signals, which are what can go wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

# What a cancelled step is given, in seconds: SIGINT, then SIGTERM, then the end of the process tree.
TO_SIGTERM, TO_SIGKILL = 7.5, 2.5

FILE_COMMANDS = {"GITHUB_OUTPUT": "set_output", "GITHUB_ENV": "set_env", "GITHUB_PATH": "add_path",
                 "GITHUB_STATE": "save_state", "GITHUB_STEP_SUMMARY": "step_summary"}


@dataclass
class Result:
    exit_code: int
    log: str
    seconds: float
    outputs: dict[str, str]
    state: dict[str, str]
    summary: str
    env_file: str
    container: str


@dataclass
class Job:
    """One job on one runner: its folders outlive the containers of its steps."""

    image: str
    root: Path
    event_name: str = "push"
    event: dict = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    network: str = "bridge"

    def __post_init__(self) -> None:
        for name in ("home", "workspace", "workflow", "file_commands", "temp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "workflow" / "event.json").write_text(json.dumps(self.event))

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def mounts(self) -> dict[Path, str]:
        """Host folder to container folder, in the runner's order; the order matters for rewriting."""
        return {
            self.root / "temp": "/github/runner_temp",
            self.root / "home": "/github/home",
            self.root / "workflow": "/github/workflow",
            self.root / "file_commands": "/github/file_commands",
            self.workspace: "/github/workspace",
        }

    def start(self, inputs: dict[str, str], entrypoint: str | None = None, state: dict[str, str] | None = None) -> Step:
        return Step(self, inputs, entrypoint, state or {})

    def run(self, inputs: dict[str, str], **how) -> Result:
        return self.start(inputs, **how).wait()

    def variables(self, inputs: dict[str, str], files: dict[str, Path], state: dict[str, str]) -> dict[str, str]:
        given = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTOR": "octo",
            "GITHUB_ACTOR_ID": "1",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_BASE_REF": "",
            "GITHUB_EVENT_NAME": self.event_name,
            "GITHUB_EVENT_PATH": str(self.root / "workflow" / "event.json"),
            "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql",
            "GITHUB_HEAD_REF": "",
            "GITHUB_JOB": "deploy",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_PROTECTED": "true",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REPOSITORY": "acme/churn",
            "GITHUB_REPOSITORY_ID": "1001",
            "GITHUB_REPOSITORY_OWNER": "acme",
            "GITHUB_REPOSITORY_OWNER_ID": "2002",
            "GITHUB_RETENTION_DAYS": "90",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "3003",
            "GITHUB_RUN_NUMBER": "7",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": "0" * 40,
            "GITHUB_TRIGGERING_ACTOR": "octo",
            "GITHUB_WORKFLOW": "Deploy",
            "GITHUB_WORKFLOW_REF": "acme/churn/.github/workflows/deploy.yml@refs/heads/main",
            "GITHUB_WORKFLOW_SHA": "0" * 40,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_ARCH": "X64",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_NAME": "runner-1",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.root / "temp"),
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            **{name: str(path) for name, path in files.items()},
            **self.env,
            **{"INPUT_" + name.upper().replace(" ", "_"): value for name, value in inputs.items()},
            **{"STATE_" + name: value for name, value in state.items()},
        }
        return {name: self._inside(value) for name, value in given.items()} | {"HOME": "/github/home"}

    def _inside(self, value: str) -> str:
        """A value that is or starts with a mounted host path; one in the middle of a value stays as it is."""
        for host, container in self.mounts().items():
            if value == str(host) or value.startswith(f"{host}/"):
                return container + value[len(str(host)) :]
        return value


class Step:
    def __init__(self, job: Job, inputs: dict[str, str], entrypoint: str | None, state: dict[str, str]) -> None:
        self.job, self.name = job, f"step_{uuid.uuid4().hex}"
        self.files = {name: job.root / "file_commands" / f"{file}_{self.name}" for name, file in FILE_COMMANDS.items()}
        for path in self.files.values():
            path.touch()
        variables = job.variables(inputs, self.files, state)
        command = ["docker", "run", "--name", self.name, "--label", "runner-double", "--workdir", "/github/workspace", "--rm"]
        command += ["--entrypoint", entrypoint] if entrypoint else []
        for name in variables:
            command += ["-e", name]
        command += ["-v", "/var/run/docker.sock:/var/run/docker.sock"] if Path("/var/run/docker.sock").exists() else []
        for host, container in job.mounts().items():
            command += ["-v", f"{host}:{container}"]
        command += ["--network", job.network, job.image]
        # The docker client needs a few variables of its own; the container gets those named above and no other.
        own = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, env=own | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def cancel(self) -> Result:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.wait(TO_SIGTERM)
        except subprocess.TimeoutExpired:
            self.process.terminate()
        try:
            return self.wait(TO_SIGKILL)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.wait()

    def wait(self, timeout: float = 600) -> Result:
        log, _ = self.process.communicate(timeout=timeout)
        seconds = time.monotonic() - self.started
        text = {name: path.read_text() for name, path in self.files.items()}
        return Result(
            self.process.returncode,
            log,
            seconds,
            pairs(text["GITHUB_OUTPUT"]),
            pairs(text["GITHUB_STATE"]),
            text["GITHUB_STEP_SUMMARY"],
            text["GITHUB_ENV"] + text["GITHUB_PATH"],
            self.name,
        )


def pairs(text: str) -> dict[str, str]:
    """Reads a command file as strictly as the runner: only a line feed ends a line, and a bare line is an error."""
    found, lines = {}, iter(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else [])
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            found[line[:equals]] = line[equals + 1 :]
        elif heredoc > 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            value = []
            for inner in lines:
                if inner == delimiter:
                    break
                value.append(inner)
            else:
                raise ValueError(f"the value of {name} has no end")
            found[name] = "\n".join(value)
        else:
            raise ValueError(f"not a pair: {line!r}")
    return found
