"""How fast a model version is copied, beside MLflow's own copy and beside a bare pipe of the same bytes.

Usage: bench_copy.py PRODUCT PIPE [--mlflow PYTHON] [--big GIB] [--rounds N]

One server for all, the stand-in workspace; a model of 1.5 GiB in one file, and 40 small files. Each way is measured in
every round, so that what else the machine does falls on all of them; the best of each counts, and the ratios. The
server's files lie in memory where the machine has such a folder. `--big` shows the memory at that size instead.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

TOKEN = "dbapi0bench"
MIB = 1024 * 1024
MLMODEL = """flavors:
  python_function:
    loader_module: mlflow.sklearn
    python_version: 3.11.0
model_uuid: 0123456789abcdef0123456789abcdef
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
  params: null
"""

MLFLOW = """
import sys, time
from mlflow import MlflowClient
begun = time.monotonic()
copy = MlflowClient().copy_model_version("models:/staging.models.churn/1", "prod.models.%s" % sys.argv[1])
print(time.monotonic() - begun)
"""


class Server:
    """The stand-in, with the model in it."""

    def __init__(self, product, route):
        env = dict(os.environ)
        if os.path.isdir("/dev/shm"):
            env["TMPDIR"] = "/dev/shm"
        command = [product, "rehearse", "--serve", "--multipart", "--model-files", route]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        self.url = self.process.stdout.readline().strip()
        self.targets = 0

    def request(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(urllib.parse.urlparse(self.url).netloc)
        sent = {"Authorization": "Bearer " + TOKEN, **dict(headers)}
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return json.loads(text or b"null") if method != "PUT" else None

    def post(self, path, **body):
        return self.request("POST", "/api/2.1/unity-catalog/" + path, json.dumps(body), {"Content-Type": "application/json"})

    def fill(self, size, sparse):
        for catalog in ("staging", "prod"):
            self.post("schemas", name="models", catalog_name=catalog)
        self.post("models", name="churn", catalog_name="staging", schema_name="models")
        # With the id of a logged model: without one MLflow's copy stops.
        self.post("models/versions", catalog_name="staging", schema_name="models", model_name="churn", source="runs:/1/model", model_id="m-0")
        root = "/Models/staging/models/churn/1"
        put = "/api/2.0/fs/files" + root
        self.request("PUT", put + "/MLmodel?overwrite=true", MLMODEL)
        for i in range(40):
            self.request("PUT", f"{put}/data/part-{i:02}.bin?overwrite=true", os.urandom(200_000))
        if sparse:
            file = {"token": TOKEN, "path": root + "/data/weights.bin", "sparse": size}
            self.request("POST", "/__standin/file", json.dumps(file), {"Content-Type": "application/json"})
        else:
            noise = os.urandom(16 * MIB)
            blocks = (noise for _ in range(size // len(noise)))
            headers = {"Content-Length": str(size // len(noise) * len(noise))}
            self.request("PUT", put + "/data/weights.bin?overwrite=true", blocks, headers)
        body = json.dumps({"full_name": "staging.models.churn", "version": 1})
        self.request("PATCH", "/api/2.1/unity-catalog/models/staging.models.churn/versions/1/finalize", body, {"Content-Type": "application/json"})

    def tag(self, digest):
        changes = json.dumps({"changes": {"add_tags": [{"key": "manifest_sha256", "value": digest}]}})
        self.request("PATCH", "/api/2.1/unity-catalog/subentity-tags/FUNCTION/staging.models.churn/1", changes, {"Content-Type": "application/json"})

    def target(self, with_version=False):
        """A model that nothing was copied to."""
        self.targets += 1
        name = f"copy{self.targets}"
        self.post("models", name=name, catalog_name="prod", schema_name="models")
        if with_version:
            self.post("models/versions", catalog_name="prod", schema_name="models", model_name=name, source="x")
        return name

    def forget(self, name):
        """Frees what was copied."""
        self.request("DELETE", f"/api/2.1/unity-catalog/models/prod.models.{name}/versions/1")

    def stop(self):
        self.process.kill()
        self.process.wait()


def run(command, server, **more):
    """Output, seconds, peak memory in MB, bytes written to disk, seconds of processor."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "127.0.0.1", "DATABRICKS_HOST": server.url,
           "DATABRICKS_TOKEN": TOKEN, **more}
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.monotonic() - begun
    child.returncode = status
    assert status == 0, err[-3000:]
    return out + err, took, usage.ru_maxrss / 1024, usage.ru_oublock * 512, usage.ru_utime + usage.ru_stime


def ours(product, server):
    name = server.target()
    said, took, memory, disk, cpu = run([product, "model", "copy", "staging.models.churn/1", "prod.models." + name], server)
    digest = re.search(r"manifest sha256 (\w+)", said).group(1)
    phases = {kind: float(re.search(kind + r": [^\n]* in ([\d.]+) s", said).group(1)) for kind in ("copying", "reading back")}
    server.forget(name)
    return {"copy": phases["copying"], "read back": phases["reading back"], "wall": took, "memory": memory, "disk": disk, "cpu": cpu, "digest": digest}


def pipe(program, server):
    name = server.target(with_version=True)
    command = [program, "/Models/staging/models/churn/1", f"/Models/prod/models/{name}/1", "--read-back"]
    said, took, memory, disk, cpu = run(command, server)
    copy, read = (float(line) for line in said.split())
    server.forget(name)
    return {"copy": copy, "read back": read, "wall": took, "memory": memory, "disk": disk, "cpu": cpu}


def mlflow(python, server):
    name = server.target()
    more = {"MLFLOW_REGISTRY_URI": "databricks-uc", "MLFLOW_TRACKING_URI": "databricks", "MLFLOW_ENABLE_MULTIPART_DOWNLOAD": "false",
            "PYTHONWARNINGS": "ignore"}
    said, took, memory, disk, cpu = run([python, "-c", MLFLOW, name], server, **more)
    copy = float(said.strip().splitlines()[0] if said.strip()[0].isdigit() else re.findall(r"^([\d.]+)$", said, re.M)[-1])
    server.forget(name)
    return {"copy": copy, "read back": 0.0, "wall": took, "memory": memory, "disk": disk, "cpu": cpu}


def best(results):
    return {key: min(r[key] for r in results) if key not in ("memory", "disk") else max(r[key] for r in results)
            for key in ("copy", "read back", "wall", "memory", "disk", "cpu")}


def row(name, r):
    print(f"  {name:<22} copy {r['copy']:7.2f} s   read back {r['read back']:6.2f} s   processor {r['cpu']:6.2f} s   "
          f"memory {r['memory']:6.1f} MB   disk {r['disk'] / 1e6:.0f} MB", flush=True)


def compare(args, route):
    server = Server(args.product, route)
    try:
        server.fill(1536 * MIB, sparse=False)
        print(f"1.5 GiB and 40 small files, route {route}")
        # The digest that a gate leaves on the version it has tested: with it the original is read once.
        server.tag(ours(args.product, server)["digest"])
        results = {"ours": [], "bare pipe": [], "MLflow": []}
        for _ in range(args.rounds):
            results["bare pipe"].append(pipe(args.pipe, server))
            results["ours"].append(ours(args.product, server))
            if args.mlflow:
                results["MLflow"].append(mlflow(args.mlflow, server))
        bests = {name: best(r) for name, r in results.items() if r}
        for name, r in bests.items():
            row(name, r)
        mine, limit = bests["ours"], bests["bare pipe"]
        print(f"  copy, hashing included: {mine['copy'] / limit['copy']:.2f} x the bare pipe (goal: at most 1.15)")
        whole, both = mine["copy"] + mine["read back"], limit["copy"] + limit["read back"]
        print(f"  copy and proof: {whole / both:.2f} x a bare pipe that reads back as well; {whole / limit['copy']:.2f} x one that does not")
        if "MLflow" in bests:
            print(f"  MLflow's copy, which proves nothing: {bests['MLflow']['copy'] / mine['copy']:.1f} x our copy, {bests['MLflow']['copy'] / whole:.1f} x copy and proof")
    finally:
        server.stop()


def big(args):
    server = Server(args.product, "files-api")
    try:
        server.fill(args.big * 1024 * MIB, sparse=True)
        row(f"ours, {args.big} GiB", ours(args.product, server))
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("product")
    parser.add_argument("pipe")
    parser.add_argument("--mlflow", help="a Python that has MLflow")
    parser.add_argument("--big", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--route", action="append", choices=["files-api", "presigned"])
    args = parser.parse_args()
    if args.big:
        big(args)
        return
    for route in args.route or ["files-api", "presigned"]:
        compare(args, route)


if __name__ == "__main__":
    sys.exit(main())
