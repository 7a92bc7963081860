"""Whatever happens between activecore and the real server: right, or one error."""

import datetime as dt
import ipaddress
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import netCDF4
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from reductionist_parts import backend, free_port, options, server

import activecore as ac
from activecore import (
    AuthenticationError,
    BackendError,
    BackendUnavailable,
    ChunkBatch,
    ChunkLayout,
)
from services.proxy import Drop, Garble, Hang, Reset, Truncate, too_many_requests


def many(bucket, n=1):
    elements = np.arange(12, dtype="f4").reshape(3, 4)
    source = bucket.put("many", b"".join((elements + k).tobytes() for k in range(n)))
    return ChunkBatch(
        ChunkLayout("f4", (3, 4)), np.full(n, source, object), 48 * np.arange(n),
        np.full(n, 48), (slice(0, 3, 1), slice(0, 4, 1)), (0, 1), "max",
    )  # fmt: skip


@pytest.mark.parametrize("fault", [Drop(), Reset(), Truncate(), too_many_requests("0")])
def test_a_fault_that_passes_costs_a_retry(services, bucket, reductionist_proxy, fault):
    batch = many(bucket)
    with backend(services, url=reductionist_proxy.url) as asked:
        asked.reduce_chunks(batch)
        reductionist_proxy.fail(fault, path="max", times=1)
        partial = asked.reduce_chunks(batch)
        assert partial.values[0].item() == 11
        assert partial.cost.retries == 1


@pytest.mark.parametrize("fault", [Drop(), Reset(), Truncate(), Garble(), Hang()])
def test_a_fault_that_stays_is_one_error_in_time(
    services, bucket, reductionist_proxy, fault
):
    batch = many(bucket)
    limits = {"timeout": 1.0, "retries": 1}
    with backend(services, url=reductionist_proxy.url, **limits) as asked:
        # Integers: of floats, a dropped connection may mean a NaN.
        asked.reduce_chunks(batch)
        reductionist_proxy.fail(fault, path="count")
        began = time.monotonic()
        with pytest.raises(BackendUnavailable) as caught:
            asked.reduce_chunks(batch.asking("count"))
        assert time.monotonic() - began < 5
        assert services.s3.secret not in str(caught.value)


def test_wrong_credentials_are_named(services, bucket):
    batch = many(bucket)
    for wrong, word in (
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"key": "nobody"}, "XAdminUserNotFound"),
    ):
        with (
            backend(services, **wrong) as asked,
            pytest.raises(AuthenticationError) as found,
        ):
            asked.reduce_chunks(batch)
        assert word in str(found.value)


def test_a_store_that_is_down_behind_a_server_that_is_up(services, bucket):
    nobody = f"http://127.0.0.1:{free_port()}"
    with backend(services, server_endpoint_url=nobody, retries=0) as asked:
        with pytest.raises(BackendUnavailable, match="dispatch failure"):
            asked.reduce_chunks(many(bucket))
        # The server tries for longer than a check takes.
        with pytest.raises(BackendUnavailable, match="dispatch failure|in time"):
            asked.check()


def test_the_real_server_killed_and_restarted_amid_many_requests_costs_no_answer(
    services, bucket, tmp_path
):
    count, port = 3000, free_port()
    batch = many(bucket, count)
    done = []
    with (
        server(tmp_path, port=port) as (url, process),
        backend(services, url=url, retries=8) as asked,
    ):

        def ask(k):
            value = asked.reduce_chunk(batch[k])
            done.append(k)
            return value

        with ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(ask, k) for k in range(count)]
            while len(done) < count // 4:
                time.sleep(0.01)
            process.kill()
            process.wait(10)
            time.sleep(0.3)
            with server(tmp_path, port=port):
                partials = [answer.result(120) for answer in answers]
    assert [partial.values[0].item() for partial in partials] == [
        11.0 + k for k in range(count)
    ]
    assert sum(partial.cost.retries for partial in partials) > 0


@pytest.fixture
def file(bucket, tmp_path):
    path = tmp_path / "tas.nc"
    values = np.random.default_rng(0).normal(280, 9, (64, 20, 30)).astype("f4")
    with netCDF4.Dataset(path, "w") as made:
        for name, length in zip("tyx", values.shape, strict=True):
            made.createDimension(name, length)
        made.createVariable("tas", "f4", tuple("tyx"), chunksizes=(1, 20, 30))[:] = (
            values
        )
    return path, bucket.upload(path)


def given(services, **changes):
    return options(services, **changes).model_dump(exclude_unset=True) | {
        "key": services.s3.key, "secret": services.s3.secret,
    }  # fmt: skip


def with_the_store(services, url, proxy, **own):
    """Open what a server behind a proxy is asked for, and then the store."""
    common = given(services)
    del common["url"]
    return ac.open(
        url, "tas", backend=["reductionist", "s3numpy"],
        storage_options={**common, "reductionist": {"url": proxy.url, **own}},
    )  # fmt: skip


def test_what_the_server_fails_at_goes_to_the_store_and_the_bits_are_the_same(
    services, file, reductionist_proxy
):
    path, url = file
    both = with_the_store(services, url, reductionist_proxy, retries=0)
    right = ac.open(path, "tas").max("t")
    with ac.record() as run:
        np.testing.assert_array_equal(both.max("t"), right)
    assert run.backends == {"reductionist": 64}
    reductionist_proxy.fail(too_many_requests(), path="max", first=20, times=1)
    with ac.record() as run:
        np.testing.assert_array_equal(both.max("t"), right)
    assert set(run.backends) == {"reductionist", "s3numpy"}
    assert run.fallbacks == 1
    with ac.record() as run:
        both.std()
    assert run.backends == {"s3numpy": 64}
    assert "reductionist (moments): not among its operations" in str(
        both.explain("std")
    )


def test_check_takes_about_a_second_and_says_what_is_there(services):
    with backend(services) as asked:
        began = time.monotonic()
        text = asked.check()
        assert time.monotonic() - began < 2
    assert "speaks API v2 and reaches" in text
    nobody = f"http://127.0.0.1:{free_port()}"
    with (
        backend(services, url=nobody) as asked,
        pytest.raises(BackendUnavailable) as found,
    ):
        asked.check()
    assert "cannot be reached" in str(found.value)


@pytest.fixture
def certificate(tmp_path):
    """A certificate for this machine that nobody but its owner trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tmp_path


def test_tls_is_verified_and_a_bundle_is_trusted(
    services, bucket, certificate, monkeypatch
):
    batch = many(bucket)
    arguments = (
        "--https", "--cert-file", str(certificate / "cert.pem"),
        "--key-file", str(certificate / "key.pem"),
    )  # fmt: skip
    with server(certificate, *arguments, scheme="https") as (url, _):
        with backend(
            services, url=url, ca_bundle=str(certificate / "cert.pem")
        ) as asked:
            assert asked.reduce_chunks(batch).values[0].item() == 11
        # What the environment trusts is not what was configured.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        with (
            backend(services, url=url) as asked,
            pytest.raises(BackendUnavailable) as found,
        ):
            asked.reduce_chunks(batch)
        assert "cannot be trusted" in str(found.value)
        plain = url.replace("https://", "http://")
        with (
            backend(services, url=plain, retries=0) as asked,
            pytest.raises(BackendError),
        ):
            asked.reduce_chunks(batch)


def test_no_thread_is_left_by_a_run_that_fails(services, file, reductionist_proxy):
    _, url = file
    array = ac.open(
        url, "tas", backend="reductionist",
        storage_options=given(services, url=reductionist_proxy.url, retries=0),
    )  # fmt: skip
    before = set(threading.enumerate())
    reductionist_proxy.fail(Garble(), path="max", first=7)
    with pytest.raises(BackendError):
        array.max()
    until = time.monotonic() + 5
    while left := [
        t
        for t in threading.enumerate()
        if t not in before and t.name.startswith("activecore_")
    ]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_an_object_that_is_overwritten_is_said_to_have_changed_and_not_to_be_damaged(
    services, bucket, tmp_path
):
    def upload(values):
        with netCDF4.Dataset(tmp_path / "over.nc", "w") as made:
            made.createDimension("t", values.size)
            made.createVariable("v", "f4", ("t",), chunksizes=(1000,), zlib=True)[:] = (
                values
            )
        return bucket.upload(tmp_path / "over.nc")

    rng = np.random.default_rng(1)
    url = upload(rng.normal(280, 9, 8000))
    array = ac.open(url, "v", backend="reductionist", storage_options=given(services))
    array.max()
    upload(np.round(rng.normal(280, 9, 8000)))  # its chunks lie elsewhere
    with pytest.raises(ac.SourceChanged, match="was changed after it was opened"):
        array.max()
    bucket.delete("over.nc")
    with pytest.raises(ac.SourceChanged, match="was removed"):
        array.max()


def test_a_forked_child_of_a_run_is_refused_and_does_not_hang(services, file):
    _, url = file
    array = ac.open(url, "tas", backend="reductionist", storage_options=given(services))
    right = array.max()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            array.max()
        except BackendError as error:
            os.write(sending, str(error).encode())
        finally:
            os._exit(0)
    os.close(sending)
    said = os.read(receiving, 1000).decode()
    os.close(receiving)
    os.waitpid(child, 0)
    assert "forked child" in said
    assert array.max() == right


@pytest.mark.parametrize("fault", [Hang(), Drop()])
def test_a_server_that_answers_nobody_costs_its_time_limit_once(
    services, file, reductionist_proxy, fault
):
    path, url = file
    both = with_the_store(services, url, reductionist_proxy, timeout=1.0)
    reductionist_proxy.fail(fault)
    began = time.monotonic()
    assert both.max() == ac.open(path, "tas").max()
    assert time.monotonic() - began < 6  # sixteen batches one after another: 16 s
