"""The tree of errors: as drawn, one line each, and whole after a pickle."""

from __future__ import annotations

import builtins
import pickle
import re

import pytest

from activecore import errors
from activecore.errors import ActiveCoreError, ChunkError, ChunkReadError, did_you_mean

CLASSES = [
    thing for name in errors.__all__ if isinstance(thing := getattr(errors, name), type)
]
DOUBLES = {
    "SourceNotFound": FileNotFoundError,
    "VariableNotFound": KeyError,
    "SelectionError": IndexError,
}


def drawn():
    """The parent of each class in the docstring's drawing, and what it doubles."""
    parents, doubles, path = {}, {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^([│ ]*)(?:[├└]── )?(\w+)\b(.*)$", line)
        if found is None or not hasattr(errors, found[2]):
            continue
        depth = (len(found[1]) + 4) // 4 if "──" in line else 0
        path[depth:] = [found[2]]
        parents[found[2]] = path[depth - 1] if depth > 0 else None
        also = re.search(r"also an? (\w+)", found[3])
        if also is not None:
            doubles[found[2]] = getattr(builtins, also[1])
    return parents, doubles


def test_the_tree_is_as_it_is_drawn():
    parents, doubles = drawn()
    assert set(parents) == {kind.__name__ for kind in CLASSES}
    for name, parent in parents.items():
        bases = [
            base
            for base in getattr(errors, name).__bases__
            if base.__module__ == errors.__name__
        ]
        assert [base.__name__ for base in bases] == ([] if parent is None else [parent])
    assert doubles == DOUBLES


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_its_message_in_one_line(kind):
    error = kind("no such\n  thing:\t'a b'")
    assert isinstance(error, ActiveCoreError)
    assert str(error) == "no such thing: 'a b'"
    assert str(kind()) == ""


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_a_pickle_with_what_it_carries(kind):
    error = kind("it failed")
    error.hint = "look there"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "it failed"
    assert again.hint == "look there"


@pytest.mark.parametrize(("name", "double"), sorted(DOUBLES.items()))
def test_who_catches_the_builtin_catches_ours(name, double):
    with pytest.raises(double, match="^not here$"):
        raise getattr(errors, name)("not here")


def test_a_chunks_error_names_all_that_is_known():
    error = ChunkReadError("the read was short", position=3)
    assert str(error) == "the read was short"
    error.variable = "tas"
    assert str(error) == "tas: the read was short"
    error.coords, error.source, error.offset, error.size = (0, 2), "s3://b/k", 10, 99
    assert str(error) == "tas chunk (0, 2) in s3://b/k bytes 10+99: the read was short"
    error.size = -1
    assert str(error) == "tas chunk (0, 2) in s3://b/k: the read was short"
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ChunkError)
    assert str(again) == str(error)
    assert (again.position, again.coords, again.offset) == (3, (0, 2), 10)


def test_what_was_probably_meant_is_said_whatever_the_case():
    known = ["tas", "tasmax", "Longitude"]
    assert did_you_mean("tsa", known) == "; did you mean 'tas'?"
    assert did_you_mean("TASMAX", known).startswith("; did you mean 'tasmax'")
    assert did_you_mean("longitud", known) == "; did you mean 'Longitude'?"
    assert did_you_mean("pressure", known) == ""
    assert did_you_mean("tas", []) == ""
