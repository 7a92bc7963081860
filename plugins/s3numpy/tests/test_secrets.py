"""No secret in anything that anybody gets to see, whatever goes wrong."""

import io
import logging
import pickle
import subprocess
import sys
import traceback

import pytest
import tblib.pickling_support

import activecore as ac
from activecore_s3numpy import S3NumpyBackend
from services.proxy import Drop, Proxy, Raw, Reply, Reset, Truncate, slow_down

KEY, SECRET, TOKEN = "AKIDVERYHIDDEN", "hidden-secret-77e1", "hidden-token-55c9"
HIDDEN = (KEY, SECRET, TOKEN)

# What a real server sends back with a refusal: the key, and the token itself.
TALKATIVE = (
    f"<Error><Code>%s</Code><Message>no good: {KEY} and {TOKEN}</Message>"
    f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId><Token-0>{TOKEN}</Token-0>"
    f"<StringToSign>x-amz-security-token:{TOKEN}</StringToSign></Error>"
)

FAULTS = {
    "invalid key": Reply(403, (TALKATIVE % "InvalidAccessKeyId").encode()),
    "wrong secret": Reply(403, (TALKATIVE % "SignatureDoesNotMatch").encode()),
    "expired token": Reply(400, (TALKATIVE % "ExpiredToken").encode()),
    "invalid token": Reply(400, (TALKATIVE % "InvalidToken").encode()),
    "bad request": Reply(400, (TALKATIVE % "InvalidRequest").encode()),
    "absent": Reply(404, (TALKATIVE % "NoSuchKey").encode()),
    "internal": Reply(500, (TALKATIVE % "InternalError").encode()),
    "not XML": Reply(418, f"teapot {TOKEN} {SECRET}".encode(), "text/plain"),
    "slow down": slow_down("0"),
    "redirect": Reply(307, headers=(("Location", f"http://127.0.0.1:9/{TOKEN}"),)),
    "reset": Reset(),
    "drop": Drop(),
    "cut": Truncate(after=1),
    "no HTTP": Raw(f"{TOKEN} {SECRET}\r\n\r\n".encode()),
}


@pytest.fixture
def proxy(store):
    with Proxy(store.url) as proxy:
        yield proxy


def everything_of(error):
    """Give all that an exception shows, its causes and contexts included."""
    parts, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        parts.append("".join(traceback.format_exception(error)))
        parts.append(repr(getattr(error, "exceptions", "")))
        if isinstance(error, ac.ActiveCoreError):
            parts.append(repr(pickle.dumps(error)))
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def assert_nothing_hidden_in(text):
    found = [secret for secret in HIDDEN if secret in text]
    assert found == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_failing_call_shows_no_secret(store, proxy, caplog, capfd, fault):
    source = store.put("data", "secrets", bytes(64))
    options = store.options(
        endpoint_url=proxy.url, key=KEY, secret=SECRET, token=TOKEN, retries=1, timeout=2
    )  # fmt: skip
    proxy.fail(fault)
    backend = S3NumpyBackend(options)
    fs = backend.filesystem(source)
    with caplog.at_level(logging.DEBUG):
        for ask in (
            lambda: backend.read_range(source, 0, 8),
            lambda: fs.info(source),
            lambda: fs.isdir(source),
            lambda: fs.ls("s3://data"),
            lambda: fs.cat_file(source),
            lambda: fs.cat_ranges([source], [0], [8], on_error="raise"),
            backend.check,
            lambda: ac.open(source, storage_options=_plain(options)),
        ):
            try:
                shown = repr(ask())
            except Exception as error:  # noqa: BLE001 - all of it is looked at
                shown = everything_of(error)
            assert_nothing_hidden_in(shown)
        (returned,) = fs.cat_ranges([source], [0], [8], on_error="return")
        if isinstance(returned, Exception):
            assert_nothing_hidden_in(everything_of(returned))
    shown = [
        repr(backend),
        repr(options),
        str(options),
        repr(fs),
        str(fs.storage_options),
    ]
    shown += [
        repr(vars(fs)),
        repr(vars(backend)),
        repr(pickle.dumps((backend.options, fs))),
    ]
    shown += [repr(backend.client), repr(vars(backend.client))]
    backend.close()
    shown += [caplog.text, *capfd.readouterr()]
    assert_nothing_hidden_in("\n".join(shown))


def test_the_attempt_after_a_refusal_shows_no_secret(store, proxy):
    source = store.put("data", "secrets", bytes(64))
    options = store.options(
        endpoint_url=proxy.url, key=KEY, secret=SECRET, token=TOKEN, retries=1, timeout=2
    )  # fmt: skip
    proxy.fail(slow_down("0"), times=1)
    proxy.fail(Reply(403, (TALKATIVE % "AccessDenied").encode()))
    backend = S3NumpyBackend(options)
    with pytest.raises(ac.AuthenticationError, match="no good") as caught:
        backend.read_range(source, 0, 8)
    backend.close()
    assert_nothing_hidden_in(everything_of(caught.value))


def _plain(options):
    return {
        "endpoint_url": options.endpoint_url, "key": KEY, "secret": SECRET, "token": TOKEN,
        "retries": 0, "timeout": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "storage_options",
    [
        {"key": KEY, "secret": SECRET, "token": TOKEN, "endpont": 3},
        {"key": KEY, "username": SECRET, "secret": TOKEN},
        {"key": KEY, "secret": SECRET, "endpoint_url": f"https://{KEY}:{SECRET}@host"},
        {"key": [KEY], "secret": {"x": SECRET}},
        {"key": KEY, "client_kwargs": {"aws_secret_access_key": SECRET, "nope": TOKEN}},
    ],
    ids=["unknown", "twice", "in-url", "types", "nested"],
)
def test_an_option_that_is_refused_shows_no_secret(storage_options):
    # Dask installs this: from then on an error's pickle holds its context, too.
    tblib.pickling_support.install()
    with pytest.raises(ac.ConfigError) as caught:
        ac.open("s3://data/x", storage_options=storage_options)
    assert_nothing_hidden_in(everything_of(caught.value))


def test_the_configuration_is_shown_with_secrets_masked(tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text(
        f'[backends.s3numpy]\nkey = "{KEY}"\nsecret = "{SECRET}"\ntoken = "{TOKEN}"\n'
    )
    monkeypatch.setenv("ACTIVECORE_CONFIG", str(file))
    for arguments in (["config"], ["config", "--json"]):
        command = [sys.executable, "-m", "activecore", *arguments]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "s3numpy" in shown.stdout
        assert_nothing_hidden_in(shown.stdout + shown.stderr)


def test_a_password_in_a_url_is_not_sent_and_not_shown():
    with pytest.raises(ac.ConfigError, match="user name or password") as caught:
        ac.open(f"https://me:{SECRET}@127.0.0.1:9/x.nc")
    assert_nothing_hidden_in(everything_of(caught.value))


def test_secrets_are_found_by_this_test(store):
    """The search itself can fail: what shows a secret is noticed."""
    stream = io.StringIO()
    print(f"secret={SECRET}", file=stream)
    with pytest.raises(AssertionError):
        assert_nothing_hidden_in(stream.getvalue())
