"""Plugins are found without imports, imported by name, and each fails by itself."""

import logging
import pickle
import subprocess
import sys

import pytest
from fake_distributions import (
    backend_source,
    install,
    install_metadata,
    reader_source,
)

from activecore import (
    CONTRACT,
    ActiveCoreError,
    BackendError,
    BackendNotInstalled,
    ConfigError,
    StorageBackend,
)
from activecore.config import Settings
from activecore.discovery import (
    backend_class,
    default_backend,
    installed,
    make_backends,
    reader_class,
    reader_plugins,
    resolve,
    scheme_of,
    survey,
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the import path, to install into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return folder


def plugin(name):
    return next(plugin for plugin in installed() if plugin.name == name)


def report(name):
    return next(report for report in survey() if report.plugin.name == name)


def is_one_line(error):
    return "\n" not in str(error.value) and str(error.value)


def test_a_listing_imports_nothing(site):
    module = install(site, "quiet", "raise SystemExit('imported')", version="3.2")
    found = plugin("quiet")
    assert (found.distribution, found.version) == ("fake-quiet", "3.2")
    assert found.value == module
    assert module not in sys.modules


def test_only_the_backend_that_is_named_is_imported(site):
    wanted = install(site, "wanted", backend_source("wanted"))
    other = install(site, "other", "raise RuntimeError('imported')")
    assert backend_class("wanted").name == "wanted"
    assert wanted in sys.modules
    assert other not in sys.modules


def test_a_backend_is_imported_and_asked_once(site):
    install(
        site,
        "counted",
        backend_source("counted")
        + "\ncalls = []\n"
        + "@ac.hookimpl\ndef activecore_backend():\n"
        + "    calls.append(1)\n    return Backend\n",
    )
    first = backend_class("counted")
    assert backend_class("counted") is first
    assert sys.modules[first.__module__].calls == [1]


def test_one_plugin_may_provide_a_backend_and_a_reader(site):
    source = backend_source("both") + reader_source("both")
    install(site, "both", source)
    assert issubclass(backend_class("both"), StorageBackend)
    assert reader_class("both").name == "both"
    assert report("both").kind == "backend and reader"


def test_an_entry_point_may_name_an_object_in_a_module(site):
    source = backend_source("object")
    source += (
        "\nclass Hooks:\n    activecore_backend = staticmethod(activecore_backend)\n"
    )
    install(site, "object", source, value="{module}:Hooks")
    assert backend_class("object").name == "object"


def test_a_reader_is_no_backend_and_the_other_way_round(site):
    install(site, "onlyreads", reader_source("onlyreads"))
    install(site, "onlystores", backend_source("onlystores"))
    with pytest.raises(BackendError, match="provides a reader, not a backend"):
        backend_class("onlyreads")
    with pytest.raises(BackendError, match="provides a backend, not a reader"):
        reader_class("onlystores")


def test_readers_are_asked_one_after_the_other_and_broken_plugins_left_out(
    site, caplog
):
    install(site, "fakes", reader_source("fakes"))
    install(site, "broken", "import no_such_module_anywhere")
    with caplog.at_level(logging.WARNING, "activecore"):
        names = [reader.name for reader in reader_plugins()]
    assert "fakes" in names
    assert "fake-broken 1.0" in caplog.text


def test_a_missing_backend_says_what_is_installed_and_what_was_meant(site):
    install(site, "mystore", backend_source("mystore"))
    with pytest.raises(BackendNotInstalled) as error:
        backend_class("mystor")
    assert is_one_line(error)
    assert "no backend 'mystor' is installed" in str(error.value)
    assert "did you mean 'mystore'?" in str(error.value)
    assert "installed: " in str(error.value)


def test_a_missing_backend_that_is_an_extra_gives_the_pip_command(site):
    install_metadata(
        site,
        "activecore",
        requires=(
            'activecore-elsewhere>=1 ; extra == "elsewhere"',
            'activecore-elsewhere>=1 ; extra == "all"',
            'activecore-other>=1 ; extra == "all"',
            'activecore-other>=1 ; extra == "other"',
            'matplotlib ; extra == "plot"',
            "numpy",
        ),
    )
    with pytest.raises(BackendNotInstalled) as error:
        backend_class("elsewhere")
    assert str(error.value).endswith("pip install 'activecore[elsewhere]'")
    with pytest.raises(BackendNotInstalled) as error:
        backend_class("elsewere")
    assert "did you mean 'elsewhere'?" in str(error.value)
    assert str(error.value).endswith("pip install 'activecore[elsewhere]'")
    with pytest.raises(BackendNotInstalled) as error:
        default_backend("abc")
    assert "'activecore[elsewhere]' or pip install 'activecore[other]'" in str(
        error.value
    )
    assert "plot" not in str(error.value)
    assert "all]" not in str(error.value)


def test_without_metadata_of_our_own_there_is_no_pip_command(site, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("activecore.entry_points.metadata", gone)
    with pytest.raises(BackendNotInstalled) as error:
        backend_class("nowhere")
    assert "pip" not in str(error.value)


def test_two_distributions_that_claim_one_name_are_both_named(site):
    install(site, "twice", backend_source("twice"), distribution="one-of-them")
    install(site, "twice", backend_source("twice"), distribution="other-of-them")
    with pytest.raises(ConfigError) as error:
        backend_class("twice")
    assert is_one_line(error)
    assert "one-of-them 1.0 and other-of-them 1.0" in str(error.value)
    assert [r.kind for r in survey() if r.plugin.name == "twice"] == ["failed"] * 2


def test_a_distribution_that_shadows_another_of_its_name_is_no_second_claim(
    site, tmp_path, monkeypatch
):
    install(site, "shadowed", backend_source("shadowed"), distribution="Same.Name")
    front = tmp_path / "front"
    front.mkdir()
    monkeypatch.syspath_prepend(front)
    install(
        front,
        "shadowed",
        backend_source("shadowed"),
        distribution="same-name",
        version="2.0",
    )
    assert plugin("shadowed").version == "2.0"
    assert backend_class("shadowed").name == "shadowed"


def test_a_distribution_with_broken_entry_points_breaks_nothing_else(site, caplog):
    install(site, "healthy", backend_source("healthy"))
    install_metadata(
        site, "brokenpoints", entry_points="[activecore]\nno equals sign\n"
    )
    with caplog.at_level(logging.WARNING, "activecore"):
        assert backend_class("healthy").name == "healthy"


def test_a_plugin_installed_meanwhile_is_found(site):
    with pytest.raises(BackendNotInstalled):
        backend_class("later")
    install(site, "later", backend_source("later"))
    assert backend_class("later").name == "later"


BROKEN = {
    "import": ("import no_such_module_anywhere", "ModuleNotFoundError"),
    "syntax": ("def", "SyntaxError"),
    "exit": ("raise SystemExit('no licence\\nfound')", "SystemExit: no licence found"),
    "zero": ("1 / 0", "ZeroDivisionError: division by zero"),
    "hookless": ("answer = 42", "provides nothing"),
    "unmarked": ("def activecore_backend():\n    return int", "provides nothing"),
    "nothing": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_backend():\n    return None",
        "provides nothing",
    ),
    "misspelt": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_bakend():\n    return int",
        "unknown hook 'activecore_bakend'; did you mean 'activecore_backend'?",
    ),
    "argument": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_backend(url):\n    return int",
        "url",
    ),
    "failing": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_backend():\n    exit(3)",
        "its hook failed: SystemExit: 3",
    ),
    "noclass": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_backend():\n    return 42",
        "gives 42, which is not a class derived from activecore.StorageBackend",
    ),
    "noreader": (
        "import activecore as ac\n@ac.hookimpl\ndef activecore_reader():\n    return int",
        "not a class derived from activecore.Reader",
    ),
    "renamed": (backend_source("something-else"), "calls itself 'something-else'"),
    "abstract": (
        "import activecore as ac\nclass B(ac.StorageBackend): name = 'abstract'\n@ac.hookimpl\ndef activecore_backend():\n    return B",
        "lacks filesystem, reduce_chunk",
    ),
    "major": (
        backend_source("major", contract=(CONTRACT[0] + 1, 0)),
        "upgrade activecore",
    ),
    "minor": (
        backend_source("minor", contract=(CONTRACT[0], CONTRACT[1] + 1)),
        "upgrade activecore",
    ),
    "outdated": (
        backend_source("outdated", contract=(CONTRACT[0] - 1, 9)),
        "upgrade fake-outdated",
    ),
    "version": (backend_source("version", contract="1.0"), "not (major, minor)"),
    "optionless": (
        backend_source("optionless") + "\nBackend.options_type = dict",
        "not a class derived from activecore.BackendOptions",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_one_clear_error_and_breaks_nothing_else(site, name):
    source, reason = BROKEN[name]
    install(site, name, source)
    install(site, "sound", backend_source("sound"))
    with pytest.raises(BackendError) as error:
        backend_class(name)
    assert is_one_line(error)
    assert f"fake-{name} 1.0" in str(error.value)
    assert reason in str(error.value)
    assert backend_class("sound").name == "sound"
    assert report(name).problem == str(error.value)
    assert report("sound").kind == "backend"


def test_the_reason_of_a_failed_import_is_chained(site):
    install(site, "chained", "1 / 0")
    with pytest.raises(BackendError) as error:
        backend_class("chained")
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_ctrl_c_during_an_import_is_not_a_plugin_s_failure(site):
    install(site, "slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        backend_class("slow")


def test_a_plugin_that_was_mended_is_tried_again(site):
    module = install(site, "mended", "1 / 0")
    with pytest.raises(BackendError):
        backend_class("mended")
    (site / f"{module}.py").write_text(backend_source("mended"))
    assert backend_class("mended").name == "mended"


def test_what_a_plugin_prints_on_import_goes_to_the_log(site, capsys, caplog):
    install(site, "chatty", "print('welcome!')\n" + backend_source("chatty"))
    with caplog.at_level(logging.INFO, "activecore"):
        backend_class("chatty")
    assert capsys.readouterr().out == ""
    assert "welcome!" in caplog.text


def test_an_older_minor_contract_is_taken(site, monkeypatch):
    monkeypatch.setattr("activecore.contract.CONTRACT", (1, 7))
    install(site, "elder", backend_source("elder", contract=(1, 6)))
    assert backend_class("elder").contract == (1, 6)


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("tas.nc", "file"),
        ("/archive/tas.nc", "file"),
        ("a folder/x://y", "file"),
        ("file:///archive/tas.nc", "file"),
        ("s3://bucket/tas.nc", "s3"),
        ("S3://bucket/tas.nc", "s3"),
        ("https://host/tas.nc", "https"),
        ("abc+def://x", "abc+def"),
    ],
)
def test_the_scheme_of_a_url(url, scheme):
    assert scheme_of(url) == scheme


def test_a_scheme_s_backend_is_found_without_an_import(site):
    module = install(site, "schemer", "1 / 0", schemes=["abc", "abcs"])
    assert default_backend("abc") == "schemer"
    assert default_backend("abcs") == "schemer"
    assert module not in sys.modules


def test_two_claims_to_a_scheme_ask_the_user_to_choose(site):
    install(site, "first", backend_source("first"), schemes=["abc"])
    install(site, "second", backend_source("second"), schemes=["abc"])
    with pytest.raises(
        ConfigError, match="'first' of fake-first 1.0, 'second'"
    ) as error:
        default_backend("abc")
    assert "backend=" in str(error.value)


def test_a_scheme_of_another_distribution_s_object_is_no_claim(site):
    module = install(site, "mine", backend_source("mine"))
    install_metadata(
        site, "thief", entry_points=f"[activecore.schemes]\nabc = {module}\n"
    )
    with pytest.raises(BackendNotInstalled, match="default for abc:// URLs"):
        default_backend("abc")


def test_a_url_gets_the_backend_of_its_scheme(site):
    install(site, "schemed", backend_source("schemed"), schemes=["abc"])
    (backend,) = make_backends("abc://bucket/x.nc", settings=Settings())
    assert backend.name == "schemed"
    assert backend.options.profile is None


def test_an_argument_names_one_backend_or_several_in_order(site):
    install(site, "one", backend_source("one"))
    install(site, "two", backend_source("two"))
    settings = Settings(backend="one")
    assert names(settings) == ["one"]
    assert names(settings, backend="two") == ["two"]
    assert names(settings, backend=["two", "one"]) == ["two", "one"]
    assert names(settings, backend="two, one") == ["two", "one"]
    assert names(settings, backend=["two", "one", "two"]) == ["two", "one"]
    with pytest.raises(ConfigError, match="names none"):
        names(settings, backend=[])


def names(settings, **arguments):
    made = make_backends("abc://bucket/x.nc", settings=settings, **arguments)
    return [backend.name for backend in made]


def test_a_missing_backend_says_which_setting_names_it():
    with pytest.raises(BackendNotInstalled, match=r"\(named by argument\)"):
        names(Settings(backend="nowhere"))


def test_storage_options_go_to_every_backend_in_its_users_spelling(site):
    install(site, "one", backend_source("one"))
    install(site, "two", backend_source("two"))
    made = resolve(
        "abc://x",
        backend=["one", "two"],
        storage_options={
            "anon": True,
            "endpoint_url": "https://a",
            "two": {"endpoint_url": "https://b"},
        },
        settings=Settings(),
    )
    assert [one.options.anonymous for one in made] == [True, True]
    assert [one.options.endpoint for one in made] == ["https://a", "https://b"]


def test_unknown_storage_options_are_errors_with_the_closest_known_one(site):
    install(site, "strict", backend_source("strict"))
    with pytest.raises(ConfigError) as error:
        resolve(
            "abc://x",
            backend="strict",
            storage_options={"secrte": "hunter2"},
            settings=Settings(),
        )
    assert str(error.value) == (
        "backend 'strict' (from storage_options): unknown key 'secrte'; "
        "did you mean 'secret'?"
    )


def test_a_configured_secret_does_not_go_where_storage_options_point(site, caplog):
    install(site, "careful", backend_source("careful"))
    settings = Settings(
        backends={"careful": {"endpoint": "https://ours", "secret": "hunter2"}}
    )

    def options(given):
        (one,) = resolve(
            "abc://x", backend="careful", storage_options=given, settings=settings
        )
        return one.options

    assert options({}).secret.get_secret_value() == "hunter2"
    assert options({"endpoint": "https://ours"}).secret.get_secret_value() == "hunter2"
    with caplog.at_level(logging.INFO, "activecore"):
        assert options({"endpoint": "https://theirs"}).secret is None
    assert "secret from argument is not used" in caplog.text
    assert "hunter2" not in caplog.text
    theirs = options({"endpoint": "https://theirs", "secret": "swordfish"})
    assert theirs.secret.get_secret_value() == "swordfish"


def made(site, name, options):
    install(site, name, backend_source(name))
    (backend,) = make_backends(
        "abc://x", backend=name, storage_options=options, settings=Settings()
    )
    return backend


def test_a_backend_is_pickled_as_its_name_and_public_options(site):
    backend = made(site, "travels", {"endpoint": "https://a", "timeout": 3.0})
    again = pickle.loads(pickle.dumps(backend))
    assert type(again) is type(backend)
    assert again.options == backend.options


def test_a_backend_that_says_how_it_is_pickled_is_left_alone(site):
    source = backend_source("ownway")
    source += "\ndef _again(): return Backend()"
    source += "\nBackend.__reduce__ = lambda self: (_again, ())\n"
    install(site, "ownway", source)
    backend = backend_class("ownway")()
    assert pickle.loads(pickle.dumps(backend)).options == backend.options


WORKER = """
import pickle, sys
from activecore import ActiveCoreError
with open(sys.argv[1], "rb") as file:
    try:
        backend = pickle.load(file)
        print(backend.options.secret.get_secret_value(), backend.options.endpoint)
    except ActiveCoreError as error:
        print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def worker(site, tmp_path, monkeypatch):
    """Unpickles a backend in a fresh process that has its own configuration."""

    def work(backend, config):
        pickled = pickle.dumps(backend)
        if not backend.options.pickle_secrets:
            assert b"hunter2" not in pickled
        (tmp_path / "backend.pickle").write_bytes(pickled)
        (tmp_path / "worker.toml").write_text(config)
        run = subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path / "backend.pickle")],
            env={
                "PYTHONPATH": str(site),
                "ACTIVECORE_CONFIG": str(tmp_path / "worker.toml"),
                "XDG_CONFIG_HOME": str(tmp_path),
                "XDG_CONFIG_DIRS": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout.strip()

    return work


def test_a_worker_takes_the_secret_from_its_own_configuration(site, worker):
    backend = made(site, "works", {"endpoint": "https://a", "secret": "hunter2"})
    own = '[backends.works]\nendpoint = "https://a"\nsecret = "of the worker"\n'
    assert worker(backend, own) == "of the worker https://a"


def test_a_worker_takes_the_secret_of_the_profile_by_its_name(site, worker):
    install(site, "profiled", backend_source("profiled"))
    table = {"endpoint": "https://a", "secret": "hunter2"}
    settings = Settings(profiles={"mine": {"backends": {"profiled": table}}})
    (backend,) = make_backends(
        "abc://x", backend="profiled", profile="mine", settings=settings
    )
    own = '[profiles.mine.backends.profiled]\nendpoint = "https://a"\nsecret = "own"\n'
    assert worker(backend, own) == "own https://a"
    assert "there is no profile 'mine'" in worker(backend, "")


def test_a_worker_without_the_secret_says_so_instead_of_going_without(site, worker):
    backend = made(site, "lacks", {"secret": "hunter2"})
    answer = worker(backend, "")
    assert answer.startswith("ConfigError: backend 'lacks' in process")
    assert "secret did not travel" in answer


def test_a_worker_s_secret_is_not_sent_to_another_destination(site, worker):
    backend = made(site, "astray", {"endpoint": "https://theirs", "secret": "hunter2"})
    own = '[backends.astray]\nendpoint = "https://ours"\nsecret = "of the worker"\n'
    answer = worker(backend, own)
    assert answer.startswith("ConfigError")
    assert "configured for another endpoint" in answer
    assert "of the worker" not in answer


def test_secrets_travel_if_the_user_says_so(site, worker):
    backend = made(site, "trusts", {"secret": "hunter2", "pickle_secrets": True})
    assert worker(backend, "") == "hunter2 None"


def test_every_error_here_survives_pickling(site):
    install(site, "twice", "", distribution="one-of-them")
    install(site, "twice", "", distribution="other-of-them")
    for name in ("nowhere", "twice"):
        with pytest.raises(ActiveCoreError) as error:
            backend_class(name)
        again = pickle.loads(pickle.dumps(error.value))
        assert (type(again), str(again)) == (type(error.value), str(error.value))
