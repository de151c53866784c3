#!/usr/bin/env python3
"""Writes src/rehearsal/workspace/requests.json: which fields each request to a workspace may have, and of what type.

The stand-in workspace refuses a request with a field that is not in this table, so that a misspelt field fails in
rehearsal and not in production. The facts are read from the published Databricks SDK for Python (Apache-2.0):

    python3 -m venv /tmp/sdk && /tmp/sdk/bin/pip install databricks-sdk && /tmp/sdk/bin/python tools/standin_requests.py

A request is keyed by method and path, every path variable written `{}`. Types: s string, i integer, n number, b boolean,
* anything, [T] list, {T} map, otherwise the name of an object under "types". Enumerations are strings: a workspace
of another version may know more values than the SDK.
"""
import dataclasses
import enum
import importlib
import inspect
import json
import pathlib
import re
import typing

from databricks.sdk import version

SERVICES = "apps catalog compute dashboards database files iam jobs ml pipelines serving settings sql workspace vectorsearch".split()
PREFIXES = (
    "/api/2.2/jobs/ /api/2.1/jobs/ /api/2.0/pipelines /api/2.1/unity-catalog/catalogs /api/2.1/unity-catalog/external-locations /api/2.1/unity-catalog/schemas /api/2.1/unity-catalog/volumes "
    "/api/2.1/unity-catalog/models /api/2.1/unity-catalog/permissions /api/2.1/unity-catalog/effective-permissions "
    "/api/2.1/unity-catalog/tables/{}/monitor /api/2.0/permissions/ /api/2.0/mlflow/ "
    "/api/2.0/workspace/mkdirs /api/2.0/workspace/delete /api/2.0/workspace/import /api/2.1/clusters/ /api/2.0/sql/warehouses /api/2.0/sql/statements /api/2.0/alerts "
    "/api/2.0/lakeview/dashboards /api/2.0/apps /api/2.0/secrets/ /api/2.0/serving-endpoints /api/2.0/vector-search/endpoints /api/2.0/vector-search/indexes "
    "/api/2.0/database/instances /api/2.0/database/catalogs /api/2.0/database/synced_tables /api/2.0/instance-pools/"
).split()
SKIP = re.compile(r"feature-store|forecasting|runs/submit|/genie/|transition-requests|registry-webhooks|activities|comments|scheduled-update")

types = {}


def unwrap(hint):
    while typing.get_origin(hint) is typing.Union:
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def code(hint):
    hint = unwrap(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, tuple) or hint is list:
        return "[%s]" % (code(args[0]) if args else "*")
    if origin is dict or hint is dict:
        return "{%s}" % (code(args[1]) if len(args) == 2 else "*")
    if inspect.isclass(hint):
        if issubclass(hint, enum.Enum) or issubclass(hint, str):
            return "s"
        if issubclass(hint, bool):
            return "b"
        if issubclass(hint, int):
            return "i"
        if issubclass(hint, float):
            return "n"
        if dataclasses.is_dataclass(hint):
            return define(hint)
        if hint.__name__ in ("Timestamp", "Duration", "FieldMask"):
            return "s"
    return "*"


def define(cls):
    name = cls.__module__.rsplit(".", 1)[-1] + "." + cls.__name__
    if name not in types:
        types[name] = {}
        hints = typing.get_type_hints(cls)
        for wire, attr in re.findall(r'body\["([^"]+)"\] = (?:\[[^\]]*?self\.|\{[^}]*?self\.|self\.)?(\w+)', inspect.getsource(cls.as_dict)):
            attr = attr if attr in hints else wire
            types[name].setdefault(wire, code(hints[attr]) if attr in hints else "*")
    return name


def requests():
    found = {}
    for service in SERVICES:
        module = importlib.import_module("databricks.sdk.service." + service)
        for cls_name, cls in inspect.getmembers(module, inspect.isclass):
            if not cls_name.endswith("API") or cls.__module__ != module.__name__:
                continue
            for _, method in inspect.getmembers(cls, inspect.isfunction):
                source = inspect.getsource(method)
                for verb, path in re.findall(r'self\._api\.do\(\s*"(\w+)",\s*f?"([^"]+)"', source):
                    path = re.sub(r"\{[^}]*\}", "{}", path)
                    if verb == "GET" or not path.startswith(tuple(PREFIXES)) or SKIP.search(path):
                        continue
                    hints = typing.get_type_hints(method)
                    body = {}
                    for wire, rest in re.findall(r'body\["([^"]+)"\] = ([^\n]+)', source):
                        attr = wire if wire in hints else next((w for w in re.findall(r"\w+", rest) if w in hints), None)
                        body[wire] = code(hints[attr]) if attr else "*"
                    whole = re.search(r"body = (\w+)\.as_dict\(\)", source)
                    entry = code(hints[whole.group(1)]) if whole else body
                    found[verb + " " + path] = entry
    return found


def main():
    reqs = requests()
    out = pathlib.Path(__file__).parent.parent / "src/rehearsal/workspace/requests.json"
    lines = ['{"source": "databricks-sdk %s for Python", "requests": {' % version.__version__]
    lines.append(",\n".join(json.dumps(k) + ": " + json.dumps(reqs[k], sort_keys=True) for k in sorted(reqs)))
    lines.append('}, "types": {')
    lines.append(",\n".join(json.dumps(k) + ": " + json.dumps(types[k], sort_keys=True) for k in sorted(types)))
    lines.append("}}")
    out.write_text("\n".join(lines) + "\n")
    print(len(reqs), "requests,", len(types), "types,", out.stat().st_size, "bytes")


main()
