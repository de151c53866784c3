#!/usr/bin/env python3
"""Write src/bundle/fields/sdk.txt: the fields of what a bundle may configure, from the published Databricks SDK for Python.

    python3 tools/field_tables.py            # writes the table
    python3 tools/field_tables.py --check    # fails when the table is not what would be written

The SDK is fetched with `pip download`, at the version below; nothing of it is imported or run, its source is only parsed.
The version is the one whose fields are those of the release of the official command that the conformance corpus was
recorded from. Fields that it has and that release has not are in NEWER: they are unknown there, so they must be unknown
here. A later compatibility version empties that list.

Format, one message after the other, sorted:

    jobs.CronSchedule                  a message
     pause_status =jobs.PauseStatus p  a field: name, type, flags
     timezone_id s rp
    =jobs.PauseStatus PAUSED UNPAUSED  an enum and its values

Types: s text, i integer, f float, b boolean, a anything; a name is a message, =name an enum, [T a list, {T a mapping from texts.
Flags: r required, p may be printed in a comment, x secret, e an empty text is a value, z a zero is none.
"""
import ast
import pathlib
import subprocess
import sys
import tempfile
import zipfile

VERSION = "0.134.0"
TABLE = pathlib.Path(__file__).parent.parent / "src/bundle/fields/sdk.txt"
SERVICES = ("apps", "catalog", "compute", "dashboards", "database", "iam", "jobs", "ml", "pipelines", "serving", "sql",
            "vectorsearch", "workspace")

# A request's fields are the arguments of the method that sends it.
REQUESTS = {
    "pipelines.CreatePipeline": ("pipelines", "PipelinesAPI", "create"),
    "catalog.CreateCatalog": ("catalog", "CatalogsAPI", "create"),
    "catalog.CreateExternalLocation": ("catalog", "ExternalLocationsAPI", "create"),
    "catalog.CreateSchema": ("catalog", "SchemasAPI", "create"),
    "catalog.CreateVolume": ("catalog", "VolumesAPI", "create"),
    "catalog.CreateRegisteredModel": ("catalog", "RegisteredModelsAPI", "create"),
    "catalog.CreateMonitor": ("catalog", "QualityMonitorsAPI", "create"),
    "compute.CreateInstancePool": ("compute", "InstancePoolsAPI", "create"),
    "ml.CreateExperiment": ("ml", "ExperimentsAPI", "create_experiment"),
    "ml.CreateModel": ("ml", "ModelRegistryAPI", "create_model"),
    "serving.CreateServingEndpoint": ("serving", "ServingEndpointsAPI", "create"),
    "sql.CreateWarehouse": ("sql", "WarehousesAPI", "create"),
    "vectorsearch.CreateEndpoint": ("vectorsearch", "VectorSearchEndpointsAPI", "create_endpoint"),
    "vectorsearch.CreateIndex": ("vectorsearch", "VectorSearchIndexesAPI", "create_index"),
    "workspace.CreateScope": ("workspace", "SecretsAPI", "create_scope"),
}
ROOTS = list(REQUESTS) + [
    "jobs.JobSettings", "jobs.Job", "pipelines.GetPipelineResponse", "catalog.SchemaInfo", "catalog.VolumeInfo",
    "catalog.CatalogInfo", "catalog.ExternalLocationInfo",
    "catalog.RegisteredModelInfo", "ml.Experiment", "catalog.PrivilegeAssignment",
    "jobs.JobPermissionLevel", "pipelines.PipelinePermissionLevel", "ml.ExperimentPermissionLevel",
    "apps.App", "apps.AppPermissionLevel", "catalog.MonitorInfo", "compute.ClusterDetails", "compute.ClusterPermissionLevel",
    "compute.ClusterSpec", "compute.GetInstancePool", "compute.InstancePoolPermissionLevel",
    "dashboards.Dashboard", "database.DatabaseCatalog",
    "database.DatabaseInstance", "database.SyncedDatabaseTable", "iam.PermissionLevel", "ml.ModelDatabricks", "ml.RegisteredModelPermissionLevel",
    "serving.ServingEndpointDetailed", "serving.ServingEndpointPermissionLevel", "sql.AlertV2", "sql.GetWarehouseResponse",
    "sql.WarehousePermissionLevel", "vectorsearch.EndpointInfo",
    "vectorsearch.VectorIndex", "vectorsearch.VectorSearchEndpointPermissionLevel", "workspace.AclItem", "workspace.SecretScope",
]

NEWER = {
    "catalog.PrivilegeAssignment.principal_id",
    "serving.EndpointCoreConfigInput.name",
    "compute.NodeTypeFlexibility.aws_context_id",
    "jobs.AlertTask.parameters",
    "jobs.ComputeSpec.provisioned_capacity_id",
    "jobs.Continuous.maintenance_window",
    "jobs.ContinuousTriggerConfiguration.maintenance_window",
    "pipelines.ConnectorOptions.rabbitmq_options",
    "compute.HardwareAcceleratorType.GPU_1xH100",
    "compute.HardwareAcceleratorType.GPU_8xB300",
    "catalog.Privilege.EXTERNAL_USE_LOCATION",
    "pipelines.IngestionSourceType.RABBITMQ",
}

# Required by the request, but left to defaults by a bundle.
NOT_REQUIRED = {"catalog.CreateVolume.volume_type"}

SECRET = ("password", "secret", "token", "primary_key")
PLAIN_ENDINGS = ("_id", "_key", "_type", "_mode", "_version", "name", "_path", "catalog", "schema", "unit", "cron_expression",
                 "level", "edition", "channel", "package", "whl", "jar", "target", "storage", "url", "principal", "_size", "_names",
                 "scope", "_scopes", "cron_schedule", "git_branch", "git_tag", "git_commit")


def sources():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder,
                        f"databricks-sdk=={VERSION}"], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {s: ast.parse(archive.read(f"databricks/sdk/service/{s}.py")) for s in SERVICES}


def json_names(node):
    """Where a field's name in JSON is not its name in Python: as_dict says `body["name"] = self.attribute`."""
    names = {}
    for function in node.body:
        if isinstance(function, ast.FunctionDef) and function.name == "as_dict":
            for line in ast.walk(function):
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Subscript):
                    key = line.targets[0].slice
                    for part in ast.walk(line.value):
                        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self":
                            names[part.attr] = key.value
                            break
    return names


class Tables:
    def __init__(self, trees):
        self.messages, self.enums, self.imported = {}, {}, {}
        for service, tree in trees.items():
            self.imported[service] = {}
            for node in tree.body:
                if isinstance(node, ast.ImportFrom) and node.module == "databricks.sdk.service":
                    self.imported[service].update({a.asname or a.name: a.name for a in node.names})
                if isinstance(node, ast.ClassDef):
                    self.declare(service, node)
        for name, (service, api, method) in REQUESTS.items():
            self.messages[name] = self.request(service, trees[service], api, method)

    def declare(self, service, node):
        name = f"{service}.{node.name}"
        if any(ast.unparse(b) == "Enum" for b in node.bases):
            self.enums[name] = [n.value.value for n in node.body
                                if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
        elif any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            renamed = json_names(node)
            self.messages[name] = {renamed.get(n.target.id, n.target.id): (service, n.annotation)
                                   for n in node.body if isinstance(n, ast.AnnAssign)}

    def request(self, service, tree, api, method):
        (cls,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == api]
        (function,) = [n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == method]
        arguments = function.args.args[1:] + function.args.kwonlyargs
        return {a.arg: (service, a.annotation) for a in arguments}

    def type(self, service, note):
        """-> (type in the table, required, names it leads to)"""
        if isinstance(note, ast.Constant) and isinstance(note.value, str):
            note = ast.parse(note.value, mode="eval").body
        if isinstance(note, ast.Subscript):
            outer = ast.unparse(note.value)
            if outer == "Optional":
                text, _, leads = self.type(service, note.slice)
                return text, False, leads
            if outer == "List":
                text, _, leads = self.type(service, note.slice)
                return "[" + text, True, leads
            if outer == "Dict":
                text, _, leads = self.type(service, note.slice.elts[1])
                return "{" + text, True, leads
        plain = {"str": "s", "int": "i", "float": "f", "bool": "b", "Any": "a", "any": "a", "dict": "a", "Duration": "s",
                 "Timestamp": "s", "FieldMask": "s"}
        name = ast.unparse(note)
        if name in plain:
            return plain[name], True, []
        if "." in name:
            module, name = name.split(".")
            name = f"{self.imported[service].get(module, module)}.{name}"
        else:
            name = f"{service}.{name}"
        if name in self.enums:
            return "=" + name, True, [name]
        if name in self.messages:
            return name, True, [name]
        raise SystemExit(f"unknown type {ast.unparse(note)} in {service}")

    def flags(self, message, field, text, required):
        out = "r" if required and f"{message}.{field}" not in NOT_REQUIRED else ""
        if any(word in field for word in SECRET):
            return out + "x"
        scalar = text.lstrip("[")
        if scalar.startswith("=") or scalar in ("i", "f", "b") or (text in ("s", "[s") and field.endswith(PLAIN_ENDINGS)):
            out += "p"
        return out

    def write(self):
        todo, seen, lines = list(ROOTS), set(), {}
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.enums:
                lines[name] = ["=" + " ".join([name] + [v for v in self.enums[name] if f"{name}.{v}" not in NEWER])]
                continue
            out = lines[name] = [name]
            for field, (service, note) in sorted(self.messages[name].items()):
                if f"{name}.{field}" in NEWER:
                    continue
                text, required, leads = self.type(service, note)
                todo += leads
                out.append(f" {field} {text} {self.flags(name, field, text, required)}".rstrip())
        header = f"# Made by tools/field_tables.py from databricks-sdk {VERSION} (Apache-2.0). Do not edit."
        return "\n".join([header] + [line for name in sorted(lines) for line in lines[name]]) + "\n"


def main():
    text = Tables(sources()).write()
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if TABLE.read_text() == text else f"{TABLE} is not what {sys.argv[0]} would write")
    TABLE.write_text(text)
    print(f"{TABLE}: {len(text)} bytes")


if __name__ == "__main__":
    main()
