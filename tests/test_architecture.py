"""The house rules that a reader of one file cannot see, checked on the source itself."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

import activecore

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "activecore"
# A Reductionist server is told of objects in an S3 store, and given its credentials.
FACES_OF_OTHERS = defaultdict(set, {"reductionist": {"activecore_s3numpy"}})
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))

LAYERS = [
    "errors",
    "sizes",
    "urls",
    "arguments",
    "contract",
    "validation",
    "options",
    "model",
    "cancel",
    "compiled",
    "encoded",
    "ranges",
    "recording",
    "codecs",
    "operations",
    "scratch",
    "folding",
    "engines",
    "elements",
    "engines.choice",
    "kernel",
    "selection",
    "backend",
    "readers.base",
    "hookspecs",
    "readers",
    "reductions",
    "groups",
    "narrow",
    "plan",
    "combine",
    "question",
    "choose",
    "answer",
    "tree",
    "window",
    "lending",
    "job",
    "assignment",
    "pools",
    "cluster",
    "execute",
    "explain",
    "session",
    "functional",
    "entry_points",
    "plugins",
    "config",
    "discovery",
    "html",
    "given",
    "named_reductions",
    "numpy_protocol",
    "grouped",
    "array",
    "opened",
    "api",
    "compat",
    "xarray",
    "",  # the package itself: the public names
    "testing",
    "scaffold",
    "output",
    "plot",
    "cli",
    "__main__",
    "testing.__main__",
]
"""Bottom first. A name places the module, or the package with all that is in it."""

PUBLIC = [
    "ABSENT",
    "Active",
    "ActiveArray",
    "ActiveCoreError",
    "ArrayInfo",
    "AuthenticationError",
    "BackendError",
    "BackendNotInstalled",
    "BackendOptions",
    "BackendRefused",
    "BackendUnavailable",
    "ByteRangeBackend",
    "CONTRACT",
    "Cancelled",
    "ChunkBatch",
    "ChunkCall",
    "ChunkDecodeError",
    "ChunkError",
    "ChunkIndex",
    "ChunkLayout",
    "ChunkNotFound",
    "ChunkReadError",
    "ChunkRequest",
    "Codec",
    "ConditionalFileSystem",
    "ConfigError",
    "Cost",
    "Dataset",
    "EncodedChunks",
    "GroupInfo",
    "INLINE",
    "Located",
    "Missing",
    "OPERATIONS",
    "Packing",
    "Partial",
    "RangeRun",
    "Reader",
    "SelectionError",
    "SourceChanged",
    "SourceError",
    "SourceNotFound",
    "StorageBackend",
    "UnsupportedCodec",
    "UnsupportedDtype",
    "UnsupportedFormat",
    "UnsupportedReduction",
    "VariableInfo",
    "VariableNotFound",
    "check_cancelled",
    "group_by_source",
    "hookimpl",
    "join_ranges",
    "open",
    "record",
    "reduce_buffers",
    "source_version",
]

HEAVY = [
    "dask",
    "deflate",
    "distributed",
    "h5netcdf",
    "h5py",
    "imagecodecs",
    "matplotlib",
    "netCDF4",
    "numba",
    "numcodecs",
    "rich",
    "typer",
    "xarray",
    "zarr",
]

MOST_LINES = 300
"""Of code, in one file; docstrings, comments and blank lines are free."""


def modules_of(package):
    """Name every module of a package, and where its source lies."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    assert found, f"no modules under {package}"
    return found


CORE_MODULES = modules_of(CORE)


def imported_by(path):
    """Name what a file imports, anywhere in it, types and functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in CORE_MODULES else node.module


def layer_of(module):
    """Give the number of the longest entry of LAYERS that places a module."""
    name = module.removeprefix("activecore").removeprefix(".")
    fitting = [
        layer
        for layer in LAYERS
        if name == layer or (layer and name.startswith(f"{layer}."))
    ]
    assert fitting, f"{module} has no place in LAYERS"
    return LAYERS.index(max(fitting, key=len))


def core_imports():
    """Give every import of a core module by another: (importer, imported)."""
    for module, path in CORE_MODULES.items():
        for imported in imported_by(path):
            if imported == "activecore" or imported.startswith("activecore."):
                yield module, imported


def test_every_module_has_a_place():
    for module in CORE_MODULES:
        layer_of(module)


def test_every_place_has_a_module():
    placed = {LAYERS[layer_of(module)] for module in CORE_MODULES}
    assert placed == set(LAYERS)


def test_imports_point_down_without_exception():
    upward = [
        f"{module} imports {imported}"
        for module, imported in core_imports()
        if layer_of(imported) > layer_of(module)
    ]
    assert upward == []


def test_no_imports_go_round_in_a_circle():
    below = {module: set() for module in CORE_MODULES}
    for module, imported in core_imports():
        if imported != module:
            below[module].add(imported)
    while below:
        free = [module for module, others in below.items() if not others & below.keys()]
        assert free, f"a circle among {sorted(below)}"
        for module in free:
            del below[module]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_plugins_import_the_public_face_only(plugin):
    allowed = {"activecore", "activecore.testing", *FACES_OF_OTHERS[plugin.name]}
    own = f"activecore_{plugin.name}"
    for path in plugin.rglob("*.py"):
        for imported in imported_by(path):
            if imported.split(".")[0].startswith("activecore"):
                is_own = imported.split(".")[0] == own
                assert is_own or imported in allowed, f"{path} imports {imported}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_the_core_never_names_a_plugin(plugin):
    distribution = re.compile(rf"activecore[_-]{plugin.name}", re.IGNORECASE)
    for path in CORE_MODULES.values():
        source = path.read_text()
        assert not distribution.search(source), f"{path} names {plugin.name}"
        for node in ast.walk(ast.parse(source)):
            is_name = isinstance(node, ast.Constant) and node.value == plugin.name
            assert not is_name, f"{path} names {plugin.name} in line {node.lineno}"


def test_nothing_is_printed_but_by_the_command_line():
    for module, path in CORE_MODULES.items():
        if module.startswith("activecore.cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_print = isinstance(node, ast.Name) and node.id in {"print", "pprint"}
            assert not is_print, f"{path} prints in line {node.lineno}"


def all_sources():
    yield from CORE_MODULES.values()
    for plugin in PLUGINS:
        yield from modules_of(plugin / f"activecore_{plugin.name}").values()


def test_no_module_is_called_utils():
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in all_sources() if path.stem in vague] == []


def code_lines(source):
    """Count the lines of a file that hold code."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.update(range(node.lineno, node.end_lineno + 1))
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings)


def test_no_file_is_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in all_sources()
        if (lines := code_lines(path.read_text())) > MOST_LINES
    }
    assert long == {}


def test_every_package_says_that_it_is_typed():
    for package in (CORE, *(p / f"activecore_{p.name}" for p in PLUGINS)):
        assert (package / "py.typed").is_file()


def test_the_public_names_are_these():
    assert sorted(activecore.__all__) == sorted(PUBLIC)


def test_every_error_is_public():
    from activecore import errors

    classes = {
        name for name in errors.__all__ if isinstance(getattr(errors, name), type)
    }
    assert classes <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name):
    assert getattr(activecore, name) is not None
    assert name in dir(activecore)


def test_type_checkers_and_users_are_told_the_same_homes():
    tree = ast.parse((CORE / "__init__.py").read_text())
    (guarded,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    typed = {
        alias.name: node.module.removeprefix("activecore.")
        for node in guarded.body
        for alias in node.names
    }
    assert typed == activecore._HOME


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        activecore.opne  # noqa: B018 - the look-up is the test


def test_no_public_name_hides_behind_a_module_of_the_same_name():
    # Importing ``activecore.x`` sets the attribute ``x`` of the package to the module.
    modules = {module.removeprefix("activecore.") for module in CORE_MODULES}
    assert modules & set(PUBLIC) == set()


def imported_after(statement):
    """Name the top-level packages that a fresh process imports for a statement."""
    probe = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    return set(run.stdout.split())


def test_importing_activecore_imports_the_standard_library_only():
    beyond = imported_after("import activecore") - imported_after("pass")
    assert beyond - sys.stdlib_module_names == {"activecore"}


def test_no_public_name_needs_a_heavy_import():
    everything = f"from activecore import {', '.join(PUBLIC)}"
    assert imported_after(everything) & set(HEAVY) == set()
