"""What a task finds of Databricks on a laptop: `/Workspace` and `/Volumes` as folders, and a small `dbutils`.

Imported by Python at start (as `sitecustomize`), so that scripts, wheels and notebooks need no change. Paths are mapped
where Python opens and lists files; a native library that opens `/Volumes/...` by itself does not see them.
"""
import atexit
import builtins
import functools
import importlib.machinery
import io
import json
import os
import sys
import types

_ROOT = os.environ.get("STANDIN_ROOT", "")
_OUT = os.environ.get("STANDIN_OUT", "")
_GIVEN = json.loads(os.environ.get("STANDIN_GIVEN", "{}"))
_PREFIXES = ("/Workspace/", "/Volumes/", "/Workspace", "/Volumes")


def _map(path):
    if isinstance(path, (str, bytes)) or hasattr(path, "__fspath__"):
        text = os.fspath(path)
        plain = os.fsdecode(text)
        for scheme in ("dbfs:/", "file:/"):
            if plain.startswith(scheme + "Volumes/") or plain.startswith(scheme + "Workspace/"):
                plain = plain[len(scheme) - 1:]
        if any(plain == p or (p.endswith("/") and plain.startswith(p)) for p in _PREFIXES):
            mapped = _ROOT + plain
            return os.fsencode(mapped) if isinstance(text, bytes) else mapped
    return path


def _mapped(function, count=1):
    @functools.wraps(function)
    def call(*args, **kwargs):
        args = tuple(_map(a) if i < count else a for i, a in enumerate(args))
        return function(*args, **kwargs)
    return call


if _ROOT:
    builtins.open = io.open = _mapped(io.open)
    for _name in ("open", "stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "remove", "unlink", "access", "chmod", "utime", "readlink", "chdir"):
        if hasattr(os, _name):
            setattr(os, _name, _mapped(getattr(os, _name)))
    for _name in ("rename", "replace", "link", "symlink"):
        setattr(os, _name, _mapped(getattr(os, _name), 2))

_values = {}
_result = {}


def _write():
    if _OUT:
        with io.open(_OUT, "w") as out:
            json.dump({"values": _values, **_result}, out)


atexit.register(_write)


class NotebookExit(SystemExit):
    """Ends a notebook early, successfully."""


class _TaskValues:
    def set(self, key, value):
        _values[key] = value

    def get(self, taskKey, key, default=None, debugValue=None):
        name = "tasks.%s.values.%s" % (taskKey, key)
        if name in _GIVEN.get("values", {}):
            text = _GIVEN["values"][name]
            try:
                return json.loads(text)
            except ValueError:
                return text
        if default is not None:
            return default
        raise ValueError("Task value %s of task %s does not exist" % (key, taskKey))


class _Widgets:
    def __init__(self):
        self._own = {}

    def _declare(self, name, defaultValue="", *rest, **more):
        self._own.setdefault(name, str(defaultValue))

    text = dropdown = combobox = multiselect = _declare

    def get(self, name):
        given = _GIVEN.get("widgets", {})
        if name in given:
            return given[name]
        if name in self._own:
            return self._own[name]
        raise ValueError("No input widget named %s is defined" % name)

    def getAll(self):
        return {**self._own, **_GIVEN.get("widgets", {})}

    def remove(self, name):
        self._own.pop(name, None)

    def removeAll(self):
        self._own.clear()


class _Notebook:
    def exit(self, value=""):
        _result["result"] = str(value)
        raise NotebookExit(0)

    def run(self, *args, **kwargs):
        raise NotImplementedError("dbutils.notebook.run is not available in the stand-in workspace")


class _Fs:
    def mkdirs(self, path):
        os.makedirs(path, exist_ok=True)
        return True

    def ls(self, path):
        return [types.SimpleNamespace(path=e.path, name=e.name, size=e.stat().st_size) for e in os.scandir(path)]

    def put(self, path, contents, overwrite=False):
        with open(path, "w" if overwrite else "x") as out:
            out.write(contents)
        return True

    def head(self, path, maxBytes=65536):
        with open(path, "rb") as source:
            return source.read(maxBytes).decode("utf-8", "replace")

    def rm(self, path, recurse=False):
        import shutil
        shutil.rmtree(path) if recurse and os.path.isdir(path) else os.remove(path)
        return True

    def cp(self, source, target, recurse=False):
        import shutil
        shutil.copytree(source, target, dirs_exist_ok=True) if recurse else shutil.copyfile(source, target)
        return True


dbutils = types.SimpleNamespace(
    widgets=_Widgets(), notebook=_Notebook(), fs=_Fs(), jobs=types.SimpleNamespace(taskValues=_TaskValues()))


class _Runtime:
    """`from databricks.sdk.runtime import dbutils`, whether or not the SDK is installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "databricks.sdk.runtime":
            return importlib.machinery.ModuleSpec(name, _Runtime)
        return None

    @staticmethod
    def create_module(spec):
        module = types.ModuleType(spec.name)
        module.dbutils = dbutils
        return module

    @staticmethod
    def exec_module(module):
        pass


class _Parents:
    """The packages around it, for an environment without the SDK."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("databricks", "databricks.sdk"):
            return importlib.machinery.ModuleSpec(name, _Parents, is_package=True)
        return None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        pass


if _ROOT:
    sys.meta_path.insert(0, _Runtime)
    sys.meta_path.append(_Parents)


def run_notebook(path):
    """Runs a notebook's source as a plain script, with the names a notebook has."""
    with open(path) as source:
        code = compile(source.read(), path, "exec")
    space = {"__name__": "__main__", "__file__": path, "dbutils": dbutils, "display": print}
    sys.path.insert(0, os.path.dirname(path))
    try:
        exec(code, space)
    except NotebookExit:
        pass


def run_entry_point(package, entry_point, arguments):
    """A wheel task: an entry point of the distribution, else a function of the package."""
    import importlib
    import importlib.metadata
    sys.argv = [entry_point] + arguments
    try:
        points = importlib.metadata.distribution(package).entry_points
    except importlib.metadata.PackageNotFoundError:
        points = ()
    for point in points:
        if point.name == entry_point:
            return point.load()()
    module = importlib.import_module(package.replace("-", "_"))
    return getattr(module, entry_point)()
