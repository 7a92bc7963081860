"""Distributions that are installed for one test: metadata and modules in a folder."""

import itertools
import textwrap

_numbers = itertools.count()

BACKEND = """
from typing import ClassVar
from pydantic import Field, SecretStr
import activecore as ac

class Options(ac.BackendOptions):
    endpoint: str | None = None
    key: str | None = None
    secret: SecretStr | None = None
    token: SecretStr | None = None
    anonymous: bool = False
    timeout: float = 60.0
    hosts: list[str] = []
    destinations = {{"endpoint": frozenset({{"secret", "token"}})}}

    @classmethod
    def from_storage_options(cls, options):
        spelled = {{"anon": "anonymous", "endpoint_url": "endpoint"}}
        return {{spelled.get(name, name): value for name, value in options.items()}}

class Backend(ac.ByteRangeBackend):
    name = {name!r}
    options_type: ClassVar[type[ac.BackendOptions]] = Options
    contract: ClassVar[tuple[int, int]] = {contract!r}

    def filesystem(self, url):
        raise NotImplementedError

    def read_range(self, source, offset, size):
        raise NotImplementedError

@ac.hookimpl
def activecore_backend():
    return Backend
"""

READER = """
import activecore as ac

class Reader(ac.Reader):
    name = {name!r}

    @classmethod
    def recognises(cls, fs, path, head):
        return head.startswith(b"FAKE")

    def __init__(self, fs, path, *, group="/"):
        pass

    def variables(self):
        return {{}}

    def array(self, name):
        raise ac.VariableNotFound(name)

    def close(self):
        pass

@ac.hookimpl
def activecore_reader():
    return Reader
"""


def backend_source(name, *, contract=(1, 0)):
    """Write a plugin with a backend that has secrets, a destination and a list."""
    return BACKEND.format(name=name, contract=contract)


def reader_source(name):
    """Write a plugin with a reader of files that begin with FAKE."""
    return READER.format(name=name)


def install(
    folder,
    name,
    source,
    *,
    distribution=None,
    schemes=(),
    version="1.0",
    requires=(),
    value=None,
):
    """Install a plugin into a folder that is on the import path.

    Returns the name of its module, which no other test has.
    """
    module = f"fake_{next(_numbers)}_{name.replace('-', '_')}"
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    value = module if value is None else value.format(module=module)
    lines = ["[activecore]", f"{name} = {value}", "", "[activecore.schemes]"]
    lines += [f"{scheme} = {value}" for scheme in schemes]
    install_metadata(
        folder,
        f"fake-{name}" if distribution is None else distribution,
        entry_points="\n".join(lines) + "\n",
        version=version,
        requires=requires,
    )
    return module


def install_metadata(folder, name, *, entry_points="", version="1.0", requires=()):
    """Install a distribution that is metadata only."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n\n")
    (info / "entry_points.txt").write_text(entry_points)
