"""Measures the bundle engine, and the official command beside it where one is on PATH.

    bench.py BINARY [--jobs 800] [--pipelines 150] [--files 100] [--runs 3] [--latency 20] [--sizes 100,400,1600,6400]
             [--alone] [--write FOLDER] [--server URL --token T]

Both talk to the same stand-in workspace over HTTP on this machine, one after the other, each with a workspace of its
own: three resources and the big bundle without delay, then the big bundle with a workspace that takes `--latency`
milliseconds for each answer. Last, how the time of ours grows with the number of jobs: a ratio of 1 is linear.
A time is the best of its runs, beside it the processor's; memory is the peak of the process; requests are those of one run, writes in brackets.
`--write` only writes the generated bundle; `--alone` leaves the official command out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

TASKS = 5
SMALL = {
    "jobs": {"train": {"name": "train", "tasks": [
        {"task_key": "fit", "existing_cluster_id": "c1", "notebook_task": {"notebook_path": "/Shared/fit"}}]}},
    "schemas": {"ml": {"name": "ml", "catalog_name": "main"}},
    "registered_models": {"churn": {"name": "churn", "catalog_name": "main", "schema_name": "${resources.schemas.ml.name}"}},
}


@dataclass
class Measure:
    seconds: float
    cpu: float
    peak_mb: float
    requests: int = 0
    writes: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:.3f} | {self.cpu:.3f} | {self.peak_mb:.0f} | {self.requests} ({self.writes})"


@dataclass
class Server:
    """A workspace; a stand-in also says what it was asked."""

    host: str
    token: str
    counts_requests: bool

    def forget(self) -> None:
        if self.counts_requests:
            urlopen(Request(f"{self.host}/__standin/requests", method="DELETE")).close()

    def counts(self) -> tuple[int, int]:
        if not self.counts_requests:
            return 0, 0
        with urlopen(f"{self.host}/__standin/requests") as answer:
            seen = json.load(answer)
        return len(seen), sum(one["method"] not in ("GET", "HEAD") for one in seen)


@dataclass
class Program:
    name: str
    command: list[str]
    server: Server
    home: Path

    def environment(self) -> dict[str, str]:
        self.home.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DATABRICKS_HOST": self.server.host,
            "DATABRICKS_TOKEN": self.server.token,
            "DATABRICKS_BUNDLE_ENGINE": "direct",
            "DATABRICKS_CACHE_ENABLED": "false",
            "DATABRICKS_CLI_DISABLE_TELEMETRY": "1",
            "DATABRICKS_CLI_DISABLE_UPDATE_CHECK": "1",
        }


def main() -> None:
    options = arguments()
    if options.write:
        generate(Path(options.write), options.jobs, options.pipelines, options.files)
        return
    ours = os.path.abspath(options.binary)
    official = None if options.alone else shutil.which("databricks")
    if not official:
        print("no `databricks` on PATH: nothing to compare with", flush=True)
    names = ["mlops-deploy"] + (["databricks"] if official else [])
    commands = {"mlops-deploy": [ours], "databricks": [official]}
    with tempfile.TemporaryDirectory() as folder:
        big, small = Path(folder, "big"), Path(folder, "small")
        generate(big, options.jobs, options.pipelines, options.files)
        write_bundle(small, "small", SMALL)
        rows: dict[str, dict[str, Measure]] = {}
        late = f"{size(options)}, {options.latency} ms per request"
        with workspace(ours, options, 0) as (host, token):
            for name in names:
                program = Program(name, commands[name], Server(host, fresh(token), not options.server), Path(folder, name))
                rows.setdefault("start-up (--version)", {})[name] = best(program, ["--version"], small, 20)
                for title, bundle, runs in (("three resources", small, 5), (size(options), big, options.runs)):
                    note(rows, program, title, walk(program, bundle, runs))
            lengths = growth(ours, options, host, token, Path(folder, "growth"))
        if options.latency:
            with workspace(ours, options, options.latency) as (host, token):
                for name in names:
                    program = Program(name, commands[name], Server(host, fresh(token), not options.server), Path(folder, name + " late"))
                    note(rows, program, late, walk(program, big, 1))
        print("\n" + table(rows, names))
        print("\n" + grown(lengths))
        # A child counts the memory of the process that started it until it becomes the program.
        floor = once(["/bin/true"], small, {}).peak_mb
        print(f"\nmemory at or below {floor:.0f} MB is that of this script: the program needed less")


def note(rows: dict[str, dict[str, Measure]], program: Program, title: str, steps) -> None:
    for step, measure in steps:
        rows.setdefault(f"{step}, {title}", {})[program.name] = measure
        print(f"{program.name}: {step}, {title}: {measure.seconds:.3f} s, {measure.peak_mb:.0f} MB, {measure.requests} requests", flush=True)


def walk(program: Program, bundle: Path, runs: int):
    """The life of a bundle; what changes the workspace runs once."""
    yield "validate", best(program, ["bundle", "validate", "-o", "json"], bundle, runs)
    yield "plan, nothing deployed", best(program, ["bundle", "plan", "-o", "json"], bundle, runs)
    yield "deploy, first", best(program, ["bundle", "deploy"], bundle, 1)
    yield "plan, all deployed", best(program, ["bundle", "plan", "-o", "json"], bundle, runs)
    yield "deploy, nothing changed", best(program, ["bundle", "deploy"], bundle, runs)
    shutil.rmtree(bundle / ".databricks", ignore_errors=True)


def growth(ours: str, options: argparse.Namespace, host: str, token: str, folder: Path) -> dict[str, dict[int, float]]:
    """Processor seconds of each step by the number of jobs, eight to a file: they depend less on who else is busy."""
    lengths: dict[str, dict[int, float]] = {}
    for jobs in options.sizes:
        bundle = folder / str(jobs)
        generate(bundle, jobs, 0, max(1, jobs // 8))
        program = Program("mlops-deploy", [ours], Server(host, fresh(token), False), folder / f"home {jobs}")
        for step, measure in walk(program, bundle, options.runs):
            lengths.setdefault(step, {})[jobs] = measure.cpu
            print(f"mlops-deploy: {step}, {jobs} jobs: {measure.cpu:.3f} s, {measure.peak_mb:.0f} MB", flush=True)
    return lengths


def grown(lengths: dict[str, dict[int, float]]) -> str:
    """Time per job beside that of the size before: 1 is linear, 4 would be quadratic."""
    sizes = list(next(iter(lengths.values()), {}))
    lines = ["| how time grows | " + " | ".join(f"{n} jobs: cpu s" for n in sizes) + " | time per job, against the size before |"]
    lines.append("|---" * (len(sizes) + 2) + "|")
    for step, seconds in lengths.items():
        ratios = [f"{seconds[b] / b / (seconds[a] / a):.2f}" for a, b in zip(sizes, sizes[1:])]
        lines.append("| " + " | ".join([step, *(f"{seconds[n]:.3f}" for n in sizes), ", ".join(ratios)]) + " |")
    return "\n".join(lines)


def best(program: Program, words: list[str], where: Path, runs: int) -> Measure:
    environment = program.environment()
    measures = []
    for _ in range(runs):
        program.server.forget()
        measures.append(once([*program.command, *words], where, environment))
    requests, writes = program.server.counts()
    best = {name: min(getattr(m, name) for m in measures) for name in ("seconds", "cpu")}
    return Measure(**best, peak_mb=max(m.peak_mb for m in measures), requests=requests, writes=writes)


def once(command: list[str], where: Path, environment: dict[str, str]) -> Measure:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=where, env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{err.read().decode(errors='replace')[-2000:]}")
    return Measure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def workspace(binary: str, options: argparse.Namespace, latency: int):
    """The stand-in, on a port of the system's choice; or a server that is there already."""
    if options.server:
        yield options.server, options.token
        return
    server = subprocess.Popen([os.path.abspath(options.stand_in or binary), "rehearse", "--serve", f"--latency={latency}"], stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout:
            if found := re.search(r"http://[\d.]+:\d+", line):
                yield found.group(), options.token
                return
        sys.exit("the stand-in did not say where it listens")
    finally:
        server.terminate()
        server.wait()


def fresh(token: str) -> str:
    return token.replace("{run}", uuid.uuid4().hex[:12])


def generate(folder: Path, jobs: int, pipelines: int, files: int) -> None:
    """A big repository: jobs and pipelines spread over files, with variables, references, notebooks and tags."""
    resources = [{"jobs": {}, "pipelines": {}} for _ in range(files)]
    for i in range(jobs):
        resources[i % files]["jobs"][f"job_{i:04}"] = job(i, pipelines)
    for i in range(pipelines):
        resources[i % files]["pipelines"][f"pipeline_{i:03}"] = pipeline(i)
    write_bundle(folder, "big", None)
    (folder / "resources").mkdir()
    for number, content in enumerate(resources):
        content = {kind: entries for kind, entries in content.items() if entries}
        (folder / "resources" / f"team_{number:03}.yml").write_text(yaml({"resources": content}))
    source = folder / "src"
    source.mkdir()
    for name in ("extract", "clean", "features", "train", "publish"):
        (source / f"{name}.py").write_text(f"# Databricks notebook source\nprint('{name}')\n")


def job(i: int, pipelines: int) -> dict:
    tasks = []
    for step, name in enumerate(("extract", "clean", "features", "train", "publish")):
        task = {
            "task_key": name,
            "job_cluster_key": "main",
            "notebook_task": {
                "notebook_path": f"../src/{name}.py",
                "base_parameters": {"catalog": "${var.catalog_name}", "step": str(step), "env": "${bundle.target}"},
            },
            "max_retries": 2,
            "timeout_seconds": 3600,
        }
        if step:
            task["depends_on"] = [{"task_key": tasks[-1]["task_key"]}]
        tasks.append(task)
    if pipelines:
        key = f"pipeline_{i % pipelines:03}"
        tasks[2] = {"task_key": "features", "depends_on": [{"task_key": "clean"}],
                    "pipeline_task": {"pipeline_id": f"${{resources.pipelines.{key}.id}}"}}
    assert len(tasks) == TASKS
    return {
        "name": f"job {i} in ${{bundle.target}}",
        "max_concurrent_runs": 1,
        "tags": {"team": f"team-{i % 17}", "number": str(i)},
        "schedule": {"quartz_cron_expression": f"0 {i % 60} {i % 24} * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"},
        "email_notifications": {"on_failure": ["team@example.com"]},
        "job_clusters": [{"job_cluster_key": "main", "new_cluster": {
            "spark_version": "${var.spark_version}", "node_type_id": "i3.xlarge", "num_workers": i % 8 + 1}}],
        "tasks": tasks,
    }


def pipeline(i: int) -> dict:
    return {
        "name": f"pipeline {i} in ${{bundle.target}}",
        "catalog": "${var.catalog_name}",
        "schema": f"features_{i}",
        "serverless": True,
        "libraries": [{"notebook": {"path": "../src/features.py"}}],
        "configuration": {"env": "${bundle.target}", "number": str(i)},
    }


def write_bundle(folder: Path, name: str, resources: dict | None) -> None:
    folder.mkdir(parents=True)
    document = {
        "bundle": {"name": name, "engine": "direct"},
        "variables": {"catalog_name": {"default": "main"}, "spark_version": {"default": "15.4.x-scala2.12"}},
        "targets": {"dev": {"default": True}},
    }
    document |= {"resources": resources} if resources else {"include": ["resources/*.yml"]}
    (folder / "databricks.yml").write_text(yaml(document))


def yaml(value, depth: int = 0) -> str:
    """Block style, as people write it; a parser has other work with it than with JSON."""
    pad = "  " * depth
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{nested(item, depth)}" for key, item in value.items())
    return "".join(f"{pad}- {inline(item, depth)}" for item in value)


def nested(item, depth: int) -> str:
    return f"\n{yaml(item, depth + 1)}" if isinstance(item, dict | list) else f" {json.dumps(item)}\n"


def inline(item, depth: int) -> str:
    return yaml(item, depth + 1).lstrip() if isinstance(item, dict) else f"{json.dumps(item)}\n"


def size(options: argparse.Namespace) -> str:
    return f"{options.jobs} jobs and {options.pipelines} pipelines in {options.files} files"


def table(rows: dict[str, dict[str, Measure]], names: list[str]) -> str:
    head = ["what"] + [f"{name}: s | cpu s | MB | requests" for name in names] + (["times faster"] if len(names) > 1 else [])
    lines = ["| " + " | ".join(head) + " |", "|---" * (1 + 4 * len(names) + (len(names) > 1)) + "|"]
    for what, measures in rows.items():
        cells = [str(measures[name]) for name in names]
        if len(names) > 1:
            cells.append(f"{measures[names[1]].seconds / measures[names[0]].seconds:.1f}")
        lines.append("| " + " | ".join([what, *cells]) + " |")
    return "\n".join(lines)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--jobs", type=int, default=800)
    parser.add_argument("--pipelines", type=int, default=150)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", metavar="FOLDER", help="only write the generated bundle")
    parser.add_argument("--stand-in", metavar="BINARY", help="the one that serves the workspace, where BINARY has no stand-ins")
    parser.add_argument("--latency", type=int, default=20, help="milliseconds that an answer takes in the last rows; 0 leaves them out")
    parser.add_argument("--sizes", type=numbers, default=[100, 400, 1600, 6400], help="numbers of jobs, to see how time grows")
    parser.add_argument("--alone", action="store_true", help="leave the official command out")
    parser.add_argument("--server", help="a workspace that runs already")
    parser.add_argument("--token", default="dbapi0bench{run}", help="`{run}` becomes a random word for each program")
    return parser.parse_args()


if __name__ == "__main__":
    main()
