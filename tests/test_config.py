"""Where settings come from, which of them wins, and that no secret shows."""

import itertools
import json
import logging
import pickle
import re
from pathlib import Path

import pytest
from fake_distributions import backend_source, install
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator

from activecore import ConfigError
from activecore.config import Profile, Route, Settings, load_settings
from activecore.config.keys import MASK
from activecore.config.view import describe
from activecore.discovery import backend_class
from activecore.validation import complaints

SECRET = "hunter2-5f0c"  # noqa: S105 - nobody's


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Folders for the user's and the site's file, and an empty environment."""
    from os import environ

    for name in [name for name in environ if name.startswith("ACTIVECORE_")]:
        monkeypatch.delenv(name)
    folders = {}
    for place, variable in (("user", "XDG_CONFIG_HOME"), ("site", "XDG_CONFIG_DIRS")):
        folders[place] = tmp_path / place / "activecore"
        folders[place].mkdir(parents=True)
        monkeypatch.setenv(variable, str(tmp_path / place))
    return folders


@pytest.fixture
def write(places, tmp_path):
    """Write one of the config files; gives its path."""

    def write(text, place="user"):
        path = tmp_path / "named.toml"
        if place != "named":
            path = places[place] / "config.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def mystore(tmp_path, monkeypatch):
    """An installed backend with secrets; gives the class of its options."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    install(folder, "mystore", backend_source("mystore"))
    return backend_class("mystore").options_type


def one_line(error):
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
    return str(error.value)


# Precedence


def test_without_any_file_everything_is_a_default():
    settings = load_settings()
    assert settings.model_dump() == Settings().model_dump()
    assert settings.threads is None
    assert settings.on_failure == "fallback"
    assert settings.origin("threads") == "default"


PLACES = ["argument", "environment", "named", "user", "site"]


@pytest.mark.parametrize(
    "given",
    [subset for n in range(1, 6) for subset in itertools.combinations(range(5), n)],
    ids=lambda given: "-".join(PLACES[place] for place in given),
)
def test_the_nearest_place_wins(given, write, monkeypatch):
    arguments, paths = {}, {}
    for place in given:
        if PLACES[place] == "argument":
            arguments["threads"] = 1
        elif PLACES[place] == "environment":
            monkeypatch.setenv("ACTIVECORE_THREADS", "2")
        else:
            paths[place] = write(f"threads = {place + 1}", PLACES[place])
    settings = load_settings(paths.get(2), **arguments)
    nearest = given[0]
    assert settings.threads == nearest + 1
    origins = ["argument", "environment ACTIVECORE_THREADS"]
    if nearest < 2:
        assert settings.origin("threads") == origins[nearest]
    else:
        assert settings.origin("threads") == f"file {paths[nearest]}"


def test_keys_of_different_places_go_together(write, monkeypatch):
    write("threads = 4\ntimeout = 5", "site")
    write("timeout = 6\n[backends.a]\nx = 1\ny = 1", "user")
    write("[backends.a]\ny = 2\n[backends.b]\nz = 3", "site")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__A__W", "0")
    settings = load_settings(retries=7)
    assert (settings.timeout, settings.retries) == (6, 7)
    assert settings.backends == {"a": {"x": 1, "y": 1, "w": "0"}, "b": {"z": 3}}


def test_the_environment_names_a_file_and_an_argument_goes_before(
    write, tmp_path, monkeypatch
):
    monkeypatch.setenv("ACTIVECORE_CONFIG", str(write("threads = 3", "named")))
    assert load_settings().threads == 3
    other = tmp_path / "other.toml"
    other.write_text("retries = 1")
    settings = load_settings(other)
    assert (settings.threads, settings.retries) == (None, 1)


def test_an_empty_variable_is_one_that_is_not_set(write, monkeypatch):
    write("threads = 3")
    monkeypatch.setenv("ACTIVECORE_THREADS", "")
    monkeypatch.setenv("ACTIVECORE_CONFIG", "")
    assert load_settings().threads == 3


def test_arguments_that_are_none_are_not_given(write):
    write("threads = 3")
    assert load_settings(None, threads=None).threads == 3


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"])
def test_the_current_directory_is_never_searched(variable, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "activecore").mkdir()
    for name in ("config.toml", "activecore.toml", "activecore/config.toml", ".env"):
        (tmp_path / name).write_text("threads = 3")
    monkeypatch.setenv(variable, ".")
    assert load_settings().threads is None


def test_every_site_folder_is_read_the_first_before_the_others(tmp_path, monkeypatch):
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders):
        (folder / "activecore").mkdir(parents=True)
        text = f"threads = {number}1\n" + ("retries = 2" if number == 1 else "")
        (folder / "activecore" / "config.toml").write_text(text.replace("01", "7"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", ":".join(map(str, folders)))
    settings = load_settings()
    assert (settings.threads, settings.retries) == (7, 2)


# Files that are wrong


def test_a_named_file_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"there is no config file .*gone\.toml"):
        load_settings(tmp_path / "gone.toml")
    monkeypatch.setenv("ACTIVECORE_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(ConfigError, match=r"there is no config file .*gone\.toml"):
        load_settings()


def test_broken_toml_is_named_with_file_and_line(write):
    path = write(f'threads = 3\n[backends.a]\nsecret "{SECRET}"\n')
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert one_line(error).startswith(f"file {path} is not TOML: ")
    assert "at line 3" in str(error.value)
    assert error.value.__cause__ is None


def test_a_file_that_is_no_text_or_no_file_is_an_error(write, tmp_path):
    path = write("")
    path.write_bytes(b"threads = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_settings()
    with pytest.raises(ConfigError, match=f"file {tmp_path} cannot be read: "):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thread = 3", "unknown key 'thread'; did you mean 'threads'?"),
        ("[backend.posix]\naccess = 'mmap'", "backend: must be the name of a backend"),
        ("[profiles.p]\ntimeuot = 3", "'profiles.p.timeuot'; did you mean 'timeout'"),
        ("[profiles.p]\nroutes = []", "unknown key 'profiles.p.routes'"),
        ("[[routes]]\nprefix = 'a'\nbackends = 'b'", "did you mean 'backend'?"),
        ("[[routes]]\nprefix = 'a'", "a route needs a backend or a profile"),
        ("[[routes]]\nbackend = 'a'", "routes.0.prefix: Field required"),
        ("[[routes]]\nprefix = ''\nbackend = 'a'", "routes.0.prefix: "),
        (
            "routes = [{prefix='a', backend='b'}, {prefix='a', profile='b'}]",
            "routes: there are two routes for 'a'",
        ),
        ("config = 'other.toml'", "unknown key 'config'"),
        ("_env_file = '.env'", "unknown key '_env_file'"),
        ("threads = 'many'", "threads: Input should be a valid integer"),
        ("threads = '4'", "threads: Input should be a valid integer"),
        ("threads = true", "threads: Input should be a valid integer"),
        ("threads = 0", "threads: Input should be greater than or equal to 1"),
        ("threads = 1.5", "threads: Input should be a valid integer"),
        ("timeout = nan", "timeout: Input should be a finite number"),
        ("timeout = -1", "timeout: Input should be greater than 0"),
        ("retries = -1", "retries: Input should be greater than or equal to 0"),
        ("on_failure = 'ignore'", "on_failure: Input should be 'fallback' or 'raise'"),
        ("backend = 3", "backend: must be the name of a backend"),
        ("backend = []", "backend: must be the name of a backend"),
        ("backend = ['a', 3]", "backend.1: Input should be a valid string"),
        ("backends = 3", "backends: Input should be a valid dictionary"),
        ("[backends]\nposix = 'mmap'", "backends.posix: must be a table"),
        ("[profiles]\np = 3", "profiles.p: Input should be a valid dictionary"),
        ("profile = 3", "profile: Input should be a valid string"),
    ],
)
def test_what_a_file_may_not_say(text, expected, write):
    path = write(text)
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert one_line(error).startswith(f"file {path}: ")
    assert expected in str(error.value)


def test_a_value_of_the_wrong_type_is_not_shown(write):
    write(f"threads = '{SECRET}'\n[backends]\nposix = '{SECRET}'")
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert "threads" in one_line(error)
    assert "backends.posix" in one_line(error)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


# The environment


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("THREADS", "4", "threads", 4),
        ("TIMEOUT", "2.5", "timeout", 2.5),
        ("ON_FAILURE", "raise", "on_failure", "raise"),
        ("BACKEND", "posix", "backend", ("posix",)),
        ("BACKEND", "first, second", "backend", ("first", "second")),
        ("PROFILE", "p", "profile", "p"),
        ("PROFILES__P__THREADS", "3", "profiles", {"p": Profile(threads=3)}),
        (
            "ROUTES",
            '[{"prefix": "s3://a/", "profile": "p"}]',
            "routes",
            (Route(prefix="s3://a/", profile="p"),),
        ),
    ],
)
def test_variables_are_read_as_what_they_stand_for(
    variable, text, key, value, monkeypatch
):
    monkeypatch.setenv(f"ACTIVECORE_{variable}", text)
    assert getattr(load_settings(), key) == value


def test_options_of_backends_stay_text_until_the_backend_is_known(monkeypatch):
    for name, text in (("SECRET", "12345"), ("KEY", "1e5"), ("TOKEN", '{"a": 1}')):
        monkeypatch.setenv(f"ACTIVECORE_BACKENDS__MYSTORE__{name}", text)
    table = {"secret": "12345", "key": "1e5", "token": '{"a": 1}'}
    assert load_settings().backends == {"mystore": table}


def test_names_in_variables_are_the_installed_or_configured_ones(
    write, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "My-Store", "raise SystemExit('imported')")
    write("[profiles.Archive-1]\n[profiles.Archive-1.backends.Site-Store]")
    for name in ("MY_STORE", "SITE_STORE", "UNHEARD_OF"):
        monkeypatch.setenv(f"ACTIVECORE_BACKENDS__{name}__KEY", "k")
    monkeypatch.setenv("ACTIVECORE_PROFILES__ARCHIVE_1__THREADS", "2")
    settings = load_settings()
    assert set(settings.backends) == {"My-Store", "Site-Store", "unheard_of"}
    assert settings.profiles["Archive-1"].threads == 2


def test_deeper_keys_of_a_variable_make_tables(monkeypatch):
    monkeypatch.setenv("ACTIVECORE_BACKENDS__A__HEADERS__X", "1")
    monkeypatch.setenv("ACTIVECORE_PROFILES__P__BACKENDS__A__HEADERS__Y", "2")
    settings = load_settings()
    assert settings.backends == {"a": {"headers": {"x": "1"}}}
    assert settings.profiles["p"].backends == {"a": {"headers": {"y": "2"}}}
    monkeypatch.setenv("ACTIVECORE_BACKENDS__A__HEADERS", "z")
    with pytest.raises(ConfigError, match="'headers' is no table"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("THREAD", "; did you mean 'ACTIVECORE_THREADS'?"),
        ("CONFG", "; did you mean 'ACTIVECORE_CONFIG'?"),
        ("THREADS__X", "unknown environment variable ACTIVECORE_THREADS__X"),
        ("ENDPOINT", "unknown environment variable ACTIVECORE_ENDPOINT"),
        ("", "unknown environment variable ACTIVECORE_"),
        ("_THREADS", "unknown environment variable"),
        ("PROFILES", "unknown environment variable"),
        ("PROFILES__P", "two underscores"),
        (
            "PROFILES__P__THREAD",
            "a profile has no key 'thread'; did you mean 'threads'?",
        ),
        ("PROFILES__P__BACKENDS__A", "two underscores"),
        ("BACKENDS__A", "two underscores"),
        ("BACKENDS_MYSTORE_SECRET", "two underscores"),
        ("BACKENDS__MYSTOR__SECRET", "no backend 'mystor'; did you mean 'mystore'?"),
    ],
)
def test_unknown_variables_are_errors_with_the_closest_known_one(
    variable, expected, mystore, monkeypatch
):
    monkeypatch.setenv(f"ACTIVECORE_{variable}", SECRET)
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert expected in one_line(error)
    assert f"ACTIVECORE_{variable}" in one_line(error)


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("THREADS", "threads"),
        ("RETRIES", "retries"),
        ("TIMEOUT", "timeout"),
        ("ON_FAILURE", "on_failure"),
        ("ROUTES", "routes"),
        ("PROFILES__P__THREADS", "profiles.p.threads"),
    ],
)
def test_a_variable_of_the_wrong_type_is_named_and_not_shown(
    variable, key, monkeypatch
):
    monkeypatch.setenv(f"ACTIVECORE_{variable}", SECRET)
    with pytest.raises(ConfigError) as error:
        load_settings()
    expected = f"environment ACTIVECORE_{variable}: {key}: "
    assert one_line(error).startswith(expected)


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match=r"^argument: unknown key 'thread'; did you"):
        load_settings(thread=3)
    with pytest.raises(ConfigError, match="^argument: threads: Input should be"):
        load_settings(threads="3")


# Routes and profiles


@pytest.mark.parametrize(
    ("prefix", "url", "covers"),
    [
        ("s3://archive/", "s3://archive/tas.nc", True),
        ("s3://archive", "s3://archive/tas.nc", True),
        ("s3://archive/", "s3://archive", True),
        ("s3://archive", "s3://archive-of-others/tas.nc", False),
        ("s3://archive/cmip", "s3://archive/cmip6/tas.nc", False),
        ("s3://archive/cmip6", "S3://archive/cmip6/tas.nc", True),
        ("s3://", "s3://anything/at/all", True),
        ("s3://", "https://anything", False),
        ("https://host/", "http://host/x", False),
        ("/archive", "/archive/tas.nc", True),
        ("/archive", "/archives/tas.nc", False),
        ("/archive", "/archive/../home/tas.nc", False),
        ("/archive", "file:///archive/tas.nc", True),
        ("file:///archive", "/archive/tas.nc", True),
        ("/", "/anything", True),
        ("/archive", "s3://archive/tas.nc", False),
    ],
)
def test_a_route_covers_whole_path_segments(prefix, url, covers):
    assert Route(prefix=prefix, backend="a").covers(url) is covers


def test_relative_paths_and_home_are_made_absolute_for_routes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Route(prefix=str(tmp_path), backend="a").covers("tas.nc")
    assert Route(prefix="~/data", backend="a").covers("data/tas.nc")
    assert not Route(prefix="~/data", backend="a").covers("tas.nc")


segments = st.lists(st.sampled_from(["a", "ab", "b", "a b", "%"]), max_size=4)


@given(segments, segments, st.sampled_from(["s3://", "https://", "/", "file:///"]))
def test_a_route_covers_what_begins_with_its_segments(prefix, url, root):
    route = Route(prefix=root + "/".join(prefix), backend="a")
    assert route.covers(root + "/".join(url)) is (url[: len(prefix)] == prefix)


def test_the_longest_prefix_wins_whatever_its_place(write):
    write(
        "[[routes]]\nprefix = 's3://a/b/'\nbackend = 'site'\n"
        "[[routes]]\nprefix = 's3://c/'\nbackend = 'site'",
        "site",
    )
    write(
        "backend = 'plain'\n"
        "[[routes]]\nprefix = 's3://a/'\nbackend = ['user', 'other']\n"
        "[[routes]]\nprefix = 's3://c/'\nbackend = 'user'"
    )
    settings = load_settings()
    expected = {
        "s3://a/x": ("user", "other"),
        "s3://a/b/x": ("site",),
        "s3://c/x": ("user",),
        "s3://d/x": ("plain",),
        None: ("plain",),
    }
    assert {url: settings.at(url).backend for url in expected} == expected


PROFILES = """
threads = 1
retries = 1
profile = "usual"
[profiles.usual]
threads = 2
[profiles.fast]
threads = 3
[profiles.routed]
threads = 4
backend = "of-profile"
[[routes]]
prefix = "s3://a/"
profile = "routed"
[[routes]]
prefix = "s3://b/"
profile = "routed"
backend = "of-route"
"""


def test_a_profile_lies_over_the_plain_keys_of_files(write):
    write(PROFILES, "site")
    write("retries = 5\nthreads = 9", "user")
    effective = load_settings().at()
    assert (effective.profile, effective.threads) == ("usual", 2)
    assert effective.retries == 5


def test_a_route_s_profile_goes_before_the_usual_one(write):
    write(PROFILES)
    settings = load_settings()
    assert settings.at("s3://a/x").threads == 4
    assert settings.at("s3://a/x").backend == ("of-profile",)
    assert settings.at("s3://b/x").backend == ("of-route",)
    assert settings.at("s3://c/x").threads == 2


def test_the_environment_goes_before_routes_and_profiles_of_files(write, monkeypatch):
    write(PROFILES)
    monkeypatch.setenv("ACTIVECORE_BACKEND", "of-variable")
    assert load_settings().at("s3://b/x").backend == ("of-variable",)
    monkeypatch.setenv("ACTIVECORE_PROFILE", "fast")
    assert load_settings().at("s3://a/x").threads == 3
    monkeypatch.setenv("ACTIVECORE_THREADS", "7")
    assert load_settings().at("s3://a/x").threads == 7


def test_a_profile_that_an_argument_names_goes_before_the_environment(
    write, monkeypatch
):
    write(PROFILES)
    monkeypatch.setenv("ACTIVECORE_PROFILE", "usual")
    monkeypatch.setenv("ACTIVECORE_THREADS", "7")
    effective = load_settings().at("s3://a/x", profile="fast")
    assert (effective.profile, effective.threads) == ("fast", 3)
    assert load_settings(profile="fast").at("s3://a/x").threads == 3
    assert load_settings(profile="fast", threads=8).at().threads == 8


def test_an_unknown_profile_names_who_asked_for_it_and_the_closest(write):
    path = write("profile = 'fats'\n[profiles.fast]\nthreads = 3")
    settings = load_settings()
    with pytest.raises(ConfigError) as error:
        settings.at()
    assert one_line(error) == (
        f"there is no profile 'fats' (from file {path}); did you mean 'fast'?"
    )
    with pytest.raises(ConfigError, match=r"from argument\) \(defined: fast\)"):
        settings.at(profile="slow")


# Tables of backends


def options(settings, kind, *, url=None, profile=None):
    table = settings.at(url, profile=profile).options("mystore", kind)
    return {name: value.value for name, value in table.items()}


def test_a_profile_s_table_lies_over_the_plain_one(write, mystore):
    write(
        "[backends.mystore]\nendpoint = 'https://a'\nkey = 'plain'\n"
        "[profiles.p.backends.mystore]\nkey = 'of profile'"
    )
    settings = load_settings()
    assert options(settings, mystore) == {"endpoint": "https://a", "key": "plain"}
    merged = {"endpoint": "https://a", "key": "of profile"}
    assert options(settings, mystore, profile="p") == merged


def test_the_environment_lies_over_profiles_that_no_argument_names(
    write, mystore, monkeypatch
):
    write("profile = 'p'\n[profiles.p.backends.mystore]\ntimeout = 1.0")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__TIMEOUT", "2")
    assert options(load_settings(), mystore) == {"timeout": "2"}
    assert options(load_settings(), mystore, profile="p") == {"timeout": 1.0}
    monkeypatch.setenv("ACTIVECORE_PROFILES__P__BACKENDS__MYSTORE__TIMEOUT", "3")
    assert options(load_settings(), mystore, profile="p") == {"timeout": "3"}


def test_core_keys_are_the_defaults_of_options_of_the_same_name(write, mystore):
    write("timeout = 1\ndeadline = 5\n[profiles.p.backends.mystore]\ntimeout = 2.0")
    assert options(load_settings(), mystore) == {"timeout": 1.0}
    assert options(load_settings(), mystore, profile="p") == {"timeout": 2.0}


def test_the_largest_chunk_is_configured_for_every_backend(write, mystore):
    write("max_chunk_bytes = 100")
    made = resolved(settings=load_settings())
    assert made.max_chunk_bytes == 100
    assert backend_class("mystore")(made).max_chunk_bytes == 100
    assert backend_class("mystore")().max_chunk_bytes == 2 << 30


@pytest.mark.parametrize(
    "content",
    [
        f'secret "{SECRET}"'.encode(),
        f"secret = '{SECRET}' \xff".encode("latin-1"),
        f"threads = '{SECRET}'".encode(),
    ],
    ids=["no TOML", "no UTF-8", "no number"],
)
def test_a_refusal_keeps_no_error_that_holds_the_text(write, content):
    # What pickles errors for a cluster takes along even a chain that is not shown.
    write("").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_an_option_s_refusal_keeps_no_error_that_holds_the_values(mystore):
    with pytest.raises(ConfigError) as caught:
        mystore.make({"secret": ["a list"]})
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def secret_of(settings, kind, **where):
    return options(settings, kind, **where).get("secret")


def test_a_site_s_endpoint_and_a_user_s_secret_go_together(write, mystore, monkeypatch):
    write("[backends.mystore]\nendpoint = 'https://site'", "site")
    write(f"[backends.mystore]\nsecret = '{SECRET}'", "user")
    assert secret_of(load_settings(), mystore) == SECRET
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__SECRET", "of the environment")
    assert secret_of(load_settings(), mystore) == "of the environment"


@pytest.mark.parametrize("below", ["site", "user"])
def test_a_secret_does_not_go_to_an_endpoint_given_later(
    below, write, mystore, monkeypatch, caplog
):
    path = write(
        f"[backends.mystore]\nendpoint = 'https://a'\nsecret = '{SECRET}'", below
    )
    assert secret_of(load_settings(), mystore) == SECRET
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__ENDPOINT", "https://a")
    assert secret_of(load_settings(), mystore) == SECRET
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__ENDPOINT", "https://b")
    with caplog.at_level(logging.INFO, "activecore"):
        assert secret_of(load_settings(), mystore) is None
    assert f"secret from file {path} is not used" in caplog.text
    assert SECRET not in caplog.text


def test_a_secret_for_the_usual_place_does_not_go_to_a_configured_endpoint(
    write, mystore
):
    write(f"[backends.mystore]\nsecret = '{SECRET}'", "site")
    write("[backends.mystore]\nendpoint = 'https://b'", "user")
    assert secret_of(load_settings(), mystore) is None


def test_a_profile_with_its_own_endpoint_gets_no_other_secret(
    write, mystore, monkeypatch
):
    write(
        f"[backends.mystore]\nendpoint = 'https://a'\nsecret = '{SECRET}'\n"
        "[profiles.public.backends.mystore]\nendpoint = 'https://b'\n"
        "[profiles.own.backends.mystore]\nendpoint = 'https://b'\nsecret = 'own'\n"
        "[profiles.same.backends.mystore]\nkey = 'k'\n"
    )
    settings = load_settings()
    assert secret_of(settings, mystore, profile="public") is None
    assert secret_of(settings, mystore, profile="own") == "own"
    assert secret_of(settings, mystore, profile="same") == SECRET

    # Variables beside no profile are for the endpoint beside no profile.
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__SECRET", SECRET)
    for usual in ("public", "own"):
        for settings in (load_settings(profile=usual), routed(usual, monkeypatch)):
            table = options(settings, mystore, url="s3://a/x")
            assert table["endpoint"] == "https://b"
            assert table.get("secret") in (None, "own")


def routed(profile, monkeypatch):
    routes = [{"prefix": "s3://a/", "profile": profile}]
    with monkeypatch.context() as patch:
        patch.setenv("ACTIVECORE_ROUTES", json.dumps(routes))
        return load_settings()


def resolved(**arguments):
    from activecore.discovery import resolve

    (one,) = resolve("abc://x", backend="mystore", **arguments)
    return one.options


def test_wrong_options_name_the_key_and_the_place(write, mystore, monkeypatch):
    path = write(f"[backends.mystore]\ntimeout = '{SECRET}'")
    with pytest.raises(ConfigError) as error:
        resolved(settings=load_settings())
    expected = f"backend 'mystore' (from file {path}): timeout: Input should be a valid"
    assert one_line(error).startswith(expected)
    write("")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__SECRTE", SECRET)
    with pytest.raises(ConfigError) as error:
        resolved(settings=load_settings())
    assert one_line(error) == (
        "backend 'mystore' (from environment ACTIVECORE_BACKENDS__MYSTORE__SECRTE): "
        "unknown key 'secrte'; did you mean 'secret'?"
    )


@pytest.mark.parametrize("text", ["a,b", '["a", "b"]'])
def test_a_variable_may_spell_a_list(text, mystore, monkeypatch):
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__HOSTS", text)
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__TIMEOUT", "2.5")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__ANONYMOUS", "true")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__SECRET", "[123]")
    made = resolved(settings=load_settings())
    assert (made.hosts, made.timeout, made.anonymous) == (["a", "b"], 2.5, True)
    assert made.secret.get_secret_value() == "[123]"


def test_a_variable_that_spells_no_list_is_named(mystore, monkeypatch):
    monkeypatch.setenv("ACTIVECORE_BACKENDS__MYSTORE__HOSTS", f"[{SECRET}")
    with pytest.raises(ConfigError) as error:
        resolved(settings=load_settings())
    assert "MYSTORE__HOSTS): hosts: " in one_line(error)


def test_the_profile_that_was_used_is_noted_for_workers(write, mystore):
    write("[profiles.p]\nthreads = 3")
    assert resolved(settings=load_settings(), profile="p").profile == "p"
    assert resolved(settings=load_settings()).profile is None
    write("[backends.mystore]\nprofile = 'p'")
    with pytest.raises(ConfigError, match="'profile' is no option of a backend"):
        resolved(settings=load_settings())


# Secrets


def test_no_secret_shows_in_what_settings_print(write, monkeypatch, caplog):
    write(
        f"[backends.a]\nsecret = '{SECRET}'\n"
        f"[profiles.p.backends.a]\ntoken = '{SECRET}'"
    )
    monkeypatch.setenv("ACTIVECORE_BACKENDS__A__PASSWORD", SECRET)
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    with caplog.at_level(logging.DEBUG):
        settings = load_settings()
        effective = settings.at(profile="p")
    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(effective),
        repr(effective.options("a")),
        repr(settings._layers),
        caplog.text,
    ]
    for text in shown:
        assert SECRET not in text
    assert "Table(secret, password)" in repr(settings)


def test_settings_do_not_travel(write):
    write(f"[backends.a]\nsecret = '{SECRET}'")
    with pytest.raises(TypeError, match="load them there"):
        pickle.dumps(load_settings())


def test_settings_are_immutable():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().threads = 3


def test_what_a_validator_says_of_a_secret_is_not_repeated():
    class Model(BaseModel):
        secret: str = ""
        other: str = ""

        @field_validator("secret", "other")
        @classmethod
        def _refuse(cls, value):
            raise ValueError(f"{value} is too short")

    with pytest.raises(ValidationError) as error:
        Model(secret=SECRET, other="abc")
    text = complaints(
        error.value, Model, say=lambda path: "here", secrets=frozenset({"secret"})
    )
    assert text == "here: secret: is not valid; here: other: abc is too short"


# What a user is shown


def rows(settings, **where):
    return {row.key: row for row in describe(settings, **where)}


def test_every_value_is_shown_with_its_origin(write, mystore, monkeypatch):
    path = write(
        "threads = 3\n[backends.mystore]\nendpoint = 'https://user:pass@host/x'\n"
        f"secret = '{SECRET}'\n"
        "[[routes]]\nprefix = 's3://a/'\nbackend = ['x', 'y']\nprofile = 'p'\n"
        "[profiles.p]\nretries = 2\n[profiles.p.backends.mystore]\nkey = 'k'"
    )
    monkeypatch.setenv("ACTIVECORE_TIMEOUT", "4")
    shown = rows(load_settings(deadline=9))
    expected = {
        "threads": (3, f"file {path}"),
        "timeout": (4.0, "environment ACTIVECORE_TIMEOUT"),
        "deadline": (9.0, "argument"),
        "retries": (None, "default"),
        "profile": (None, "default"),
        "backends.mystore.endpoint": (f"https://{MASK}@host/x", f"file {path}"),
        "backends.mystore.secret": (MASK, f"file {path}"),
        "backends.mystore.token": (None, "default"),
        "backends.mystore.hosts": ([], "default"),
        "backends.mystore.timeout": (4.0, "environment ACTIVECORE_TIMEOUT"),
        "routes.s3://a/.backend": (["x", "y"], f"file {path}"),
        "routes.s3://a/.profile": ("p", f"file {path}"),
        "profiles.p.retries": (2, f"file {path}"),
        "profiles.p.backends.mystore.key": ("k", f"file {path}"),
    }
    found = {key: (shown[key].value, shown[key].origin) for key in expected}
    assert found == expected
    assert SECRET not in repr(shown)
    json.dumps([row.value for row in shown.values()])


def test_what_holds_for_a_url_or_profile_can_be_asked(write, mystore):
    write(PROFILES + "[profiles.routed.backends.mystore]\nkey = 'k'")
    settings = load_settings()
    shown = rows(settings, url="s3://b/x")
    assert shown["profile"].value == "routed"
    assert shown["backend"].value == ["of-route"]
    assert shown["backends.mystore.key"].value == "k"
    assert rows(settings, profile="fast")["threads"].value == 3


def test_what_looks_like_a_secret_of_a_backend_that_is_not_here_is_masked(write):
    write(
        "[backends.absent]\nurl = 'https://u:p@h'\nplain = 1\n"
        + "".join(
            f"{key} = '{SECRET}'\n"
            for key in (
                "secret",
                "api_token",
                "Password",
                "access_key",
                "authorization",
            )
        )
        + f"headers = {{ 'X-Auth' = '{SECRET}', accept = 'a' }}\n"
        + f"keys = ['{SECRET}']\n"
    )
    shown = rows(load_settings())
    assert SECRET not in repr(shown)
    assert shown["backends.absent.plain"].value == 1
    assert shown["backends.absent.url"].value == f"https://{MASK}@h"
    assert shown["backends.absent.headers"].value == {"X-Auth": MASK, "accept": "a"}
    assert {row.note for key, row in shown.items() if "absent" in key} == {
        "not installed"
    }


def test_a_backend_that_fails_to_import_is_shown_with_the_reason(
    write, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "lame", "1 / 0")
    write(f"[backends.lame]\nsecret = '{SECRET}'\n")
    row = rows(load_settings())["backends.lame.secret"]
    assert row.value == MASK
    assert "division by zero" in row.note


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[backends.mystore]\nendpiont = 'x'",
            "unknown key 'endpiont'; did you mean 'endpoint'?",
        ),
        ("[backends.mystore]\ntimeout = 'x'", "backends.mystore (from file "),
        (
            "[profiles.p.backends.mystore]\ntimeout = 'x'",
            "profiles.p.backends.mystore (from file ",
        ),
        ("profile = 'x'", "there is no profile 'x'"),
    ],
)
def test_looking_checks_every_installed_backend(text, expected, write, mystore):
    write(text)
    settings = load_settings()
    with pytest.raises(ConfigError) as error:
        describe(settings)
    assert expected in one_line(error)


def test_a_route_to_a_profile_that_is_not_there_is_noted(write):
    write("[[routes]]\nprefix = 's3://a/'\nprofile = 'gone'")
    assert rows(load_settings())["routes.s3://a/.profile"].note == "no such profile"


# The page


PAGE = Path(__file__).resolve().parent.parent / "docs" / "config.md"


def test_the_page_names_every_core_key():
    page = PAGE.read_text()
    for key in Settings.model_fields:
        assert f"`{key}`" in page, f"{key} is not explained"


def test_the_page_s_tables_are_valid_for_the_backend_they_stand_for(tmp_path, mystore):
    snippets = re.findall(
        r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(snippets) > 3
    for number, text in enumerate(snippets):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        settings = load_settings(path)
        for profile in (None, *settings.profiles):
            table = settings.at(profile=profile).options("mystore", mystore)
            mystore.make({name: value.value for name, value in table.items()})
