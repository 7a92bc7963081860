"""Who asks: every way in which S3 users say it, and renewal in a long run."""

import json
import pickle
import stat
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import activecore as ac
from activecore_s3numpy import (
    CredentialProvider,
    Credentials,
    S3NumpyBackend,
    S3Options,
)


def provider(**options):
    return CredentialProvider(S3Options.make(options))


def given(credentials):
    return credentials.key, credentials.secret, credentials.token


@pytest.fixture
def aws_files(nobodys_environment):
    """Write ``~/.aws/credentials`` and ``~/.aws/config``."""

    def write(credentials="", config=""):
        folder = nobodys_environment / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / "credentials").write_text(credentials)
        (folder / "config").write_text(config)
        return folder

    return write


OPTIONS = {"key": "OPT", "secret": "opt-secret", "token": "opt-token"}
FILE = """
[default]
aws_access_key_id = DEFAULT
aws_secret_access_key = default-secret
[era5]
aws_access_key_id = ERA5
aws_secret_access_key = era5-secret
aws_session_token = era5-token
"""


def test_options_go_before_everything(monkeypatch, aws_files):
    aws_files(FILE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    found = provider(**OPTIONS)()
    assert given(found) == ("OPT", "opt-secret", "opt-token")


def test_the_environment_goes_before_the_files(monkeypatch, aws_files):
    aws_files(FILE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "env-token")
    assert given(provider()()) == ("ENV", "env-secret", "env-token")


def test_the_default_profile_of_the_shared_file(aws_files):
    aws_files(FILE)
    assert given(provider()()) == ("DEFAULT", "default-secret", None)


def test_a_profile_by_its_option(aws_files):
    aws_files(FILE)
    assert given(provider(aws_profile="era5")()) == (
        "ERA5",
        "era5-secret",
        "era5-token",
    )


def test_a_profile_by_the_environment(aws_files, monkeypatch):
    aws_files(FILE)
    monkeypatch.setenv("AWS_PROFILE", "era5")
    assert given(provider()()) == ("ERA5", "era5-secret", "era5-token")


def test_a_profile_that_is_not_there_is_named(aws_files):
    aws_files(FILE)
    with pytest.raises(ac.ConfigError, match="era6"):
        provider(aws_profile="era6")()


def test_a_file_that_cannot_be_parsed_is_named(aws_files):
    aws_files(config="[default\nregion = x")
    with pytest.raises(ac.ConfigError, match="shared files"):
        provider()()


def test_none_at_all_says_what_to_set():
    with pytest.raises(ac.AuthenticationError, match="AWS_ACCESS_KEY_ID.*anon = true"):
        provider()()


def test_half_of_them_is_an_error_that_names_the_other_half(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    with pytest.raises(ac.AuthenticationError, match="AWS_SECRET_ACCESS_KEY"):
        provider()()


def test_anonymous_only_when_asked(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    assert provider(anon=True)() is None
    assert provider()() is not None


@pytest.fixture
def process(aws_files, tmp_path):
    """A ``credential_process`` whose credentials expire, and a counter of its calls."""

    def write(key, secret, *, seconds):
        calls, script = tmp_path / "calls", tmp_path / "process"
        calls.write_text("")
        expiry = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        answer = json.dumps(
            {
                "Version": 1, "AccessKeyId": key, "SecretAccessKey": secret,
                "SessionToken": "token-%s", "Expiration": expiry,
            }
        )  # fmt: skip
        script.write_text(
            f"#!/bin/sh\necho x >> {calls}\n"
            f"printf '{answer}' $(wc -l < {calls} | tr -d ' ')\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        aws_files(config=f"[default]\ncredential_process = {script}\n")
        return calls

    return write


def test_what_expires_is_renewed_when_it_is_asked(process):
    # Botocore renews what has less than ten minutes to live.
    calls = process("KEY", "secret", seconds=60)
    ask = provider()
    tokens = [ask().token for _ in range(3)]
    assert len(set(tokens)) == 3
    assert len(calls.read_text().split()) >= 3


def test_what_lives_longer_is_kept(process):
    calls = process("KEY", "secret", seconds=7200)
    ask = provider()
    assert {ask().token for _ in range(5)} == {"token-1"}
    assert len(calls.read_text().split()) == 1


def test_a_run_goes_on_with_renewed_credentials(process, store, watched):
    """Each request carries the token that holds when it is made."""
    source = store.put("data", "renewed", np.arange(4, dtype="<f4").tobytes())
    process(store.key, store.secret, seconds=60)
    backend = S3NumpyBackend(
        store.options(endpoint_url=watched.url, key=None, secret=None, retries=0)
    )
    for _ in range(3):
        assert bytes(backend.read_range(source, 0, 4)) == bytes(4)
    backend.close()
    tokens = watched.seen("x-amz-security-token")
    assert len(tokens) == 3
    assert len(set(tokens)) == 3


def test_a_process_that_fails_is_an_authentication_error(aws_files):
    aws_files(config="[default]\ncredential_process = false\n")
    with pytest.raises(ac.AuthenticationError, match="could not be had"):
        provider()()


@pytest.mark.parametrize(
    "printed",
    [
        '{"Version": 1, "SecretAccessKey": "hidden"} hidden',
        """{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b",
        "Expiration": "hidden"}""",
    ],
    ids=["no JSON", "no date"],
)
def test_what_a_process_prints_is_in_no_error(aws_files, tmp_path, printed):
    script = tmp_path / "printing"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\n")
    script.chmod(0o755)
    aws_files(config=f"[default]\ncredential_process = {script}\n")
    with pytest.raises(ac.AuthenticationError, match="credential_process") as caught:
        provider()()
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["key", "secret", "token"])
def test_a_line_break_that_was_copied_along_is_named(name):
    given = {"key": "KEY", "secret": "hidden", "token": "t"}
    given[name] += "\n"
    with pytest.raises(ac.AuthenticationError, match=f"the S3 {name} has") as caught:
        provider(**given)()
    assert "hidden" not in str(caught.value)


def test_what_cannot_be_renewed_in_a_run_is_an_authentication_error(
    process, store, tmp_path
):
    source = store.put("data", "renewed", bytes(16))
    process(store.key, store.secret, seconds=60)
    backend = S3NumpyBackend(store.options(key=None, secret=None))
    backend.read_range(source, 0, 4)
    (tmp_path / "process").write_text("#!/bin/sh\nexit 1\n")
    # Botocore makes do with what still holds; after that it gives up.
    found = backend.client.credentials._found
    found._expiry_time = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(ac.AuthenticationError, match="could not be had"):
        backend.read_range(source, 0, 4)
    backend.close()


def test_credentials_show_nothing_and_are_not_pickled():
    credentials = Credentials("KEY", "secret", "token")
    assert repr(credentials) == "<Credentials>"
    assert f"{credentials}" == "<Credentials>"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(credentials)


def test_a_provider_is_pickled_without_secrets():
    ask = provider(**OPTIONS)
    ask()
    assert b"opt-secret" not in pickle.dumps(ask)


def endpoint(**options):
    backend = S3NumpyBackend(S3NumpyBackend.options_type.make(options))
    client = backend.client
    try:
        return client.endpoints.of_s3(), client.endpoints.region
    finally:
        backend.close()


def test_without_a_word_it_is_aws():
    assert endpoint() == ("https://s3.us-east-1.amazonaws.com", "us-east-1")


def test_a_region_by_option_environment_or_profile(monkeypatch, aws_files):
    assert endpoint(region="eu-west-1")[0] == "https://s3.eu-west-1.amazonaws.com"
    assert endpoint(region="cn-north-1")[0] == "https://s3.cn-north-1.amazonaws.com.cn"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert endpoint()[1] == "eu-west-2"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert endpoint()[1] == "eu-west-3"
    monkeypatch.delenv("AWS_REGION")
    aws_files(config="[profile era5]\nregion = eu-north-1\n")
    assert endpoint(aws_profile="era5")[1] == "eu-north-1"


def test_an_endpoint_by_option_environment_or_profile(monkeypatch, aws_files):
    aws_files(
        config="[profile era5]\nservices = here\n"
        "[services here]\ns3 =\n  endpoint_url = https://of-profile:1\n"
    )
    assert endpoint(aws_profile="era5")[0] == "https://of-profile:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://of-all:2")
    assert endpoint()[0] == "https://of-all:2"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://of-s3:3/")
    assert endpoint()[0] == "https://of-s3:3"
    assert endpoint(endpoint_url="https://said:4")[0] == "https://said:4"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert endpoint()[0] == "https://s3.us-east-1.amazonaws.com"


def test_an_endpoint_in_the_environment_that_is_no_url_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio:9000")
    with pytest.raises(ac.ConfigError, match="AWS_ENDPOINT_URL"):
        endpoint()


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "https://data.s3.us-east-1.amazonaws.com"),
        ({"bucket": "a.b"}, "https://s3.us-east-1.amazonaws.com/a.b"),
        ({"addressing_style": "path"}, "https://s3.us-east-1.amazonaws.com/data"),
        ({"endpoint_url": "https://ceph.example"}, "https://ceph.example/data"),
        (
            {"endpoint_url": "https://ceph.example", "addressing_style": "virtual"},
            "https://data.ceph.example",
        ),
    ],
)
def test_where_the_bucket_stands(options, base):
    from activecore_s3numpy import Place

    name = options.get("bucket", "data")
    backend = S3NumpyBackend(S3NumpyBackend.options_type.make(options))
    assert backend.client.endpoints.base(Place("s3", name)) == base
    backend.close()


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("http://127.0.0.1:9000", "data"),
        ("http://[::1]:9000", "data"),
        ("https://minio.example", "tenant:data"),
    ],
)
def test_a_bucket_that_cannot_stand_before_the_host_is_refused(url, bucket):
    options = {
        "endpoint_url": url, "key": "K", "secret": "S", "addressing_style": "virtual",
    }  # fmt: skip
    backend = S3NumpyBackend(S3NumpyBackend.options_type.make(options))
    with pytest.raises(ac.ConfigError, match="set addressing_style to 'path'"):
        backend.read_range(f"s3://{bucket}/x", 0, 1)
    backend.close()


def test_obstore_takes_nothing_from_the_environment_by_itself(
    monkeypatch, store, watched
):
    """It would read these, and turn off signatures or the checking of TLS."""
    source = store.put("data", "environment", b"12345678")
    for name, value in {
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_ALLOW_INVALID_CERTIFICATES": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_BUCKET": "another",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-9",
        "AWS_S3_EXPRESS": "true",
    }.items():
        monkeypatch.setenv(name, value)
    backend = S3NumpyBackend(
        store.options(endpoint_url=watched.url, region="us-east-1")
    )
    assert bytes(backend.read_range(source, 0, 8)) == b"12345678"
    backend.close()
    (signature,) = watched.seen("authorization")
    assert f"Credential={store.key}/" in signature
    assert "/us-east-1/s3/" in signature


def test_anonymous_requests_are_not_signed(store, watched):
    source = store.put("data", "environment", b"12345678")
    store.client.put_object_acl(Bucket="data", Key="environment", ACL="public-read")
    backend = S3NumpyBackend(store.options(endpoint_url=watched.url, anon=True))
    assert bytes(backend.read_range(source, 0, 8)) == b"12345678"
    backend.close()
    assert watched.seen("authorization") == [None]
