"""``python -m services``: real servers, started, found again and ended."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import s3fs

from services.bucket import Bucket
from services.daemon import Daemon

ROOT = Path(__file__).resolve().parents[2]


def command(verb, state):
    done = subprocess.run(
        [sys.executable, "-m", "services", verb],
        cwd=ROOT,
        env=os.environ | {"SERVICES_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def state(services, tmp_path):
    """Servers of this test's own, beside those that all share."""
    state = tmp_path / "state"
    yield state
    command("stop", state)


def document(state):
    return json.loads((state / "services.json").read_text())


def daemons(state):
    return {name: Daemon(**one) for name, one in document(state)["daemons"].items()}


def test_servers_start_are_found_again_and_end(state):
    status, said = command("start", state)
    assert status == 0, said
    first = document(state)
    assert "reusing versitygw" in said
    assert first["s3"]["endpoint_url"] in said
    assert first["reductionist"]["url"] in said
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "services.json").stat().st_mode) == 0o600

    status, again = command("start", state)
    assert status == 0
    assert "both run already" in again
    assert document(state) == first

    running = daemons(state)
    assert all(one.process() is not None for one in running.values())
    status, ended = command("stop", state)
    assert status == 0
    assert "versitygw stopped" in ended
    assert all(one.process() is None for one in running.values())
    assert {path.name for path in state.iterdir()} <= {
        *("lock", "versitygw.log", "reductionist.log"),
    }
    secret = first["s3"]["secret"]
    shown = said + again + ended
    assert secret not in shown + "".join(p.read_text() for p in state.glob("*.log"))
    assert command("status", state)[0] == 1


def test_two_starts_at_once_start_one_pair(state):
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: command("start", state), range(2)))
    assert [status for status, _ in results] == [0, 0]
    assert sum("both run already" in said for _, said in results) == 1


def test_a_server_that_was_killed_is_started_again(state):
    command("start", state)
    first = document(state)
    running = daemons(state)
    running["reductionist"].process().kill()
    status, said = command("status", state)
    assert (status, said) == (
        1,
        "services: a server has ended: run make services again\n",
    )
    status, said = command("start", state)
    assert status == 0, said
    assert document(state)["s3"]["secret"] != first["s3"]["secret"]
    assert running["versitygw"].process() is None


def test_signed_requests_pass_through_the_proxy(s3_proxy, s3_options, bucket):
    url = bucket.put("a.bin", bytes(range(100)))
    fs = s3fs.S3FileSystem(
        **s3_options | {"endpoint_url": s3_proxy.url}, skip_instance_cache=True
    )
    assert fs.cat_file(url, start=10, end=20) == bytes(range(10, 20))
    fs.pipe_file(bucket.url("b.bin"), b"x" * 100_000)
    assert bucket.name_of(fs.ls(bucket.url(""))[0]) == "a.bin"
    assert fs.info(bucket.url("b.bin"))["size"] == 100_000
    assert "GET" in {one.method for one in s3_proxy.traffic}
    assert {one.status for one in s3_proxy.traffic} <= {200, 206}
    assert s3_proxy.traffic.up > 100_000


def test_a_bucket_is_emptied_behind_each_test(services, bucket):

    other = Bucket(services.s3)
    url = other.put("a", b"1")
    other.close()
    fs = s3fs.S3FileSystem(
        endpoint_url=services.s3.endpoint_url,
        key=services.s3.key,
        secret=services.s3.secret,
        skip_instance_cache=True,
    )
    assert not fs.exists(url)
    assert fs.exists(bucket.put("a", b"1"))
