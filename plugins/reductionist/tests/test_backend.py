"""The backend: its options, what it refuses, versions of the API, health, copies."""

import pickle
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.resources import files

import numpy as np
import pytest
from reductionist_standin import ACCESS, StandIn, basic, says
from test_faults import batch_for

import activecore
from activecore import (
    AuthenticationError,
    BackendRefused,
    BackendUnavailable,
    ChunkLayout,
    ConfigError,
)
from activecore.testing import FakeBackend, active_array, array_info
from activecore_reductionist import (
    ReductionistBackend,
    ReductionistOptions,
    activecore_backend,
)


def test_entry_point_gives_the_backend_of_its_name():
    (entry,) = entry_points(group="activecore", name="reductionist")
    backend = entry.load().activecore_backend()
    assert backend is activecore_backend() is ReductionistBackend
    assert backend.name == entry.name


def test_contract_is_written_out_and_is_the_core_s():
    assert ReductionistBackend.contract == (1, 0)
    assert ReductionistBackend.contract[0] == activecore.CONTRACT[0]


def test_the_package_is_typed():
    assert files("activecore_reductionist").joinpath("py.typed").is_file()


# Options.


@pytest.mark.parametrize("url", ["http://10.0.0.1:8080", "http://reductionist.example"])
def test_a_secret_is_not_sent_in_clear_unless_somebody_says_so(url):
    keys = {"key": "k", "secret": "s"}
    with pytest.raises(ConfigError, match="use https://, or set allow_insecure_auth"):
        ReductionistOptions.make({"url": url, **keys})
    ReductionistOptions.make({"url": url, "allow_insecure_auth": True, **keys})
    ReductionistOptions.make({"url": url, "anon": True})


@pytest.mark.parametrize(
    "url",
    [
        "https://far.example",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://[::1]:1",
    ],
)
def test_a_secret_may_go_to_this_machine_or_over_tls(url):
    assert ReductionistOptions.make({"url": url}).url == url


@pytest.mark.parametrize(
    "url", ["reductionist:8080", "https://user:pw@host", "ftp://host", ""]
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(ConfigError, match="url"):
        ReductionistOptions.make({"url": url})


def test_key_and_secret_go_to_the_server_and_the_token_does_not():
    destinations = ReductionistOptions.destinations
    assert destinations["url"] == {"key", "secret"}
    assert "token" in destinations["endpoint_url"]


# What is refused before anything is sent.


def test_without_a_url_everything_is_refused_so_that_another_may_answer():
    backend = ReductionistBackend(
        ReductionistOptions.make({"bucket": "b", "anon": True})
    )
    with StandIn() as standin:
        batch = batch_for(standin)
    assert backend.why_not(batch) == "no server is configured: set the option url"
    with pytest.raises(BackendRefused, match="no server is configured"):
        backend.reduce_chunks(batch)
    with pytest.raises(BackendRefused, match="no server is configured"):
        backend.check()
    assert backend.filesystem("s3://b/k") is not None
    backend.close()


def test_a_session_token_is_refused_as_basic_authentication_cannot_carry_it(
    standin, make
):
    backend = make(standin, token="temporary")  # noqa: S106 - made up
    batch = batch_for(standin)
    assert "session token" in backend.why_not(batch)
    with pytest.raises(BackendRefused, match="session token"):
        backend.reduce_chunks(batch)
    assert standin.asked == []


def test_temporary_credentials_of_the_environment_are_refused_too(
    standin, make, monkeypatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    backend = make(standin, key=None, secret=None)
    batch = batch_for(standin)
    with pytest.raises(BackendRefused, match="session token"):
        backend.reduce_chunks(batch)
    assert not [asked for asked in standin.asked if asked.authorization]
    backend.filesystem("s3://b/k")
    assert "session token" in backend.why_not(batch)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://web.example/tas.nc", "objects of S3 stores only"),
        ("s3://b/a/../k", "cannot be asked for"),
        ("s3://b", "cannot be told of an object"),
    ],
)
def test_a_source_that_the_server_cannot_be_told_is_refused(
    standin, make, source, words
):
    backend = make(standin)
    batch = replace(batch_for(standin), sources=np.array([source], dtype=object))
    assert words in backend.why_not(batch)


def test_an_endpoint_with_a_path_is_refused(standin, make):
    backend = make(standin, endpoint_url="http://127.0.0.1:9/prefix")
    assert "needs an S3 endpoint" in backend.why_not(batch_for(standin))


def test_only_s3_urls_are_read(standin, make):
    with pytest.raises(ConfigError, match="reads s3:// URLs, not https:// URLs"):
        make(standin).filesystem("https://web.example/tas.nc")


def test_a_question_about_a_layout_in_general_needs_no_source(standin, make):
    batch = batch_for(standin, 0)
    assert make(standin).why_not(batch) is None
    narrow = replace(batch, layout=ChunkLayout("i2", batch.shape))
    assert "not int16" in make(standin).why_not(narrow)


# What is sent.


def test_credentials_stand_in_the_header_and_nowhere_else(standin, make):
    make(standin).reduce_chunks(batch_for(standin))
    probe, asked = standin.asked
    assert probe.authorization is None
    assert asked.authorization == basic(*ACCESS)
    assert ACCESS[1] not in str(asked.body)


def test_anonymous_requests_carry_no_credentials(make):
    with StandIn(access=None) as standin:
        make(standin, key=None, secret=None, anon=True).reduce_chunks(
            batch_for(standin)
        )
        assert all(asked.authorization is None for asked in standin.asked)


def test_the_server_may_know_the_store_by_another_name(standin, make):
    backend = make(standin, server_endpoint_url="http://store.inside:9000")
    backend.reduce_chunks(batch_for(standin))
    assert standin.asked[-1].body["url"] == "http://store.inside:9000/b/k"


def test_the_environment_does_not_decide_what_is_trusted_or_where_requests_go(
    standin, make, monkeypatch, tmp_path
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password theirs")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    partial = make(standin).reduce_chunks(batch_for(standin))
    assert partial.values[0].item() == 11
    assert standin.asked[-1].authorization == basic(*ACCESS)


# Stale chunks.


def test_the_server_s_cache_is_left_alone_so_that_no_old_chunk_is_answered(
    standin, make
):
    standin.cache = {}
    batch = batch_for(standin)
    sloppy = make(standin, chunk_cache=True)
    assert sloppy.reduce_chunks(batch).values[0].item() == 11
    standin.objects["b", "k"] = np.full((3, 4), 99, "f4").tobytes()
    assert make(standin).reduce_chunks(batch).values[0].item() == 99
    assert sloppy.reduce_chunks(batch).values[0].item() == 11  # as its user allowed


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_older_server_that_cannot_be_told_so_is_refused_unless_allowed(
    make, version
):
    with StandIn(version, has_options=False) as standin:
        batch = batch_for(standin)
        with pytest.raises(BackendRefused, match="set chunk_cache = true"):
            make(standin).reduce_chunks(batch)
        partial = make(standin, chunk_cache=True).reduce_chunks(batch)
        assert partial.values[0].item() == 11


# Versions of the API.


@pytest.mark.parametrize(
    ("version", "has_options", "wanted"),
    [
        ("v2", True, "auto"), ("v2", False, "auto"), ("v1", False, "auto"),
        ("v2", True, "v2"), ("v1", False, "v1"),
    ],
)  # fmt: skip
def test_the_version_is_found_out_once_and_remembered(
    make, version, has_options, wanted
):
    with StandIn(version, has_options=has_options) as standin:
        backend = make(standin, api_version=wanted, chunk_cache=True)
        batch = batch_for(standin, 3)
        partial = backend.reduce_chunks(batch)
        assert partial.values[0].ravel().tolist() == [11, 12, 13]
        asked = [each.path for each in standin.asked]
        assert asked[-3:] == [f"/{version}/max"] * 3
        backend.reduce_chunks(batch)
        assert len(standin.asked) == len(asked) + 3


@pytest.mark.parametrize(("version", "wanted"), [("v1", "v2"), ("v2", "v1")])
def test_a_server_of_another_version_than_configured_is_refused(make, version, wanted):
    with StandIn(version) as standin:
        backend = make(standin, api_version=wanted)
        with pytest.raises(BackendRefused, match=f"no Reductionist API {wanted}"):
            backend.reduce_chunks(batch_for(standin))


def test_a_server_that_is_exchanged_for_another_version_is_found_out_again(
    standin, make
):
    backend = make(standin, chunk_cache=True)
    batch = batch_for(standin)
    backend.reduce_chunks(batch)
    standin.version, standin.has_options = "v1", False
    with pytest.raises(BackendRefused, match="no Reductionist API"):
        backend.reduce_chunks(batch)
    assert backend.reduce_chunks(batch).values[0].item() == 11


def test_a_server_of_something_else_is_named(make):
    with StandIn("v3") as standin:
        backend, batch = make(standin), batch_for(standin)
        with pytest.raises(BackendRefused, match="there is no Reductionist API at"):
            backend.reduce_chunks(batch)


# Health.


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_check_says_what_the_server_speaks_and_that_it_reaches_the_store(make, version):
    with StandIn(version, has_options=version == "v2") as standin:
        batch_for(standin)
        text = make(standin).check()
        assert f"speaks API {version} and reaches http://127.0.0.1:9" in text
        assert "count, sum, min, max and select" in text
        assert ("set chunk_cache = true" in text) == (version == "v1")


def test_check_tells_wrong_credentials_from_a_server_that_is_down(standin, make):
    with pytest.raises(AuthenticationError, match="InvalidAccessKeyId"):
        make(standin, secret="wrong").check()  # noqa: S106 - made up
    standin.fail(says(500, {"error": {"message": "dispatch failure"}}))
    with pytest.raises(BackendUnavailable, match="dispatch failure"):
        make(standin).check()
    standin.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        make(standin).check()


# Fallback.


def test_what_the_server_refuses_or_fails_at_goes_to_the_next_backend(standin, make):
    values = np.arange(60, dtype="f4").reshape(5, 12)
    far = FakeBackend()

    def put(name, data):
        far.objects[f"s3://b/{name}"] = data
        standin.objects["b", name] = data
        return f"s3://b/{name}"

    info = array_info(values, chunks=(2, 5), put=put)
    near = make(standin, retries=0)
    array = active_array(info, near, far)
    with activecore.record() as run:
        assert array.max() == 59
    assert run.backends == {"reductionist": 9}
    assert far.reads == []
    with activecore.record() as run:
        assert array.var() == values.astype("f8").var()
    assert run.backends == {"fake": 9}
    assert "reductionist (moments): not among its operations" in str(
        array.explain("var")
    )
    standin.fail(says(500, {"error": {"message": "busy"}}), times=None)
    with activecore.record() as run:
        assert array.max() == 59
    assert run.backends == {"fake": 9}
    assert run.fallbacks > 0
    standin.faults.clear()
    standin.access = ("another", "key")
    with pytest.raises(AuthenticationError):
        array.max()


def test_explain_says_in_bytes_what_each_choice_costs(standin, make):
    values = np.arange(4000, dtype="f4").reshape(40, 100)
    far = FakeBackend()

    def put(name, data):
        far.objects[f"s3://b/{name}"] = data
        return f"s3://b/{name}"

    info = array_info(values, chunks=(10, 100), put=put)
    array = active_array(info, make(standin), far)
    told = array.explain("sum")
    assert told.choices == {
        "reductionist (sum)": 4 * 16,
        "fake (sum)": values.nbytes,
        "reductionist (select)": 4000 * 5,
        "fake (select)": values.nbytes,
    }
    assert "would bring   64 B from reductionist (sum)" in str(told)
    assert "would bring   16 kB from fake (sum)" in str(told)
    assert standin.asked == []


# Copies.


def test_a_copy_for_a_worker_carries_no_secret_and_no_connection(
    standin, make, monkeypatch
):
    backend = make(standin)
    # As workers have it, who take secrets for the same servers from their own
    # configuration once a process has looked the backend up by its name.
    for option in ("url", "endpoint_url"):
        name = f"ACTIVECORE_BACKENDS__REDUCTIONIST__{option.upper()}"
        monkeypatch.setenv(name, getattr(backend.options, option))
    monkeypatch.setenv("ACTIVECORE_BACKENDS__REDUCTIONIST__KEY", "own")
    monkeypatch.setenv("ACTIVECORE_BACKENDS__REDUCTIONIST__SECRET", "own")
    backend.reduce_chunks(batch_for(standin))
    data = pickle.dumps(backend)
    assert ACCESS[1].encode() not in data
    copy = pickle.loads(data)
    assert copy.options.url == standin.url
    copy.close()


def test_a_copy_whose_user_lets_secrets_travel_answers(standin, make):
    backend = make(standin, pickle_secrets=True)
    copy = pickle.loads(pickle.dumps(backend))
    assert copy.reduce_chunks(batch_for(standin)).values[0].item() == 11
    copy.close()
