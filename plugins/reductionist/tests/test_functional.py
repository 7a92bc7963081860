"""The functional form, as clients of PyActiveStorage call it."""

import numcodecs
import numpy as np
import pytest
import requests
from reductionist_standin import ACCESS, StandIn, basic, says

from activecore import BackendUnavailable, ConfigError
from activecore_reductionist import ReductionistError, functional, reduce_chunk

CHUNK = np.arange(24, dtype="f4").reshape(2, 3, 4)
ALL = (slice(None),) * 3


@pytest.fixture(autouse=True)
def _nothing_is_known():
    functional._known.clear()


@pytest.fixture
def session():
    with requests.Session() as session:
        session.auth = ACCESS
        yield session


@pytest.fixture
def call(standin, session):
    def call(operation, chunk=CHUNK, *, key="k", selection=ALL, missing=None, order="C",
             compression=None, filters=None, server=None, **more):  # fmt: skip
        stored = chunk.tobytes(order=order)
        for step in filters or []:
            stored = bytes(step.encode(stored))
        stored = compression.encode(stored) if compression is not None else stored
        standin.objects["b", "k"] = stored
        return reduce_chunk(
            session, server or standin.url, "http://s3.example", "b", key, 0, len(stored),
            compression, filters, missing, chunk.dtype, chunk.shape, order, selection,
            operation, **more,
        )  # fmt: skip

    return call


@pytest.mark.parametrize(
    "operation", ["sum", "min", "max", "mean", "count", "var", "any"]
)
def test_a_name_is_reduced_and_the_count_given(call, operation):
    value, count = call(operation)
    expected = (
        CHUNK.size if operation == "count" else getattr(CHUNK.astype("f8"), operation)()
    )
    assert np.ravel(value) == [expected]
    assert value.shape == count.shape == (1, 1, 1)
    assert count.item() == 24


@pytest.mark.parametrize("operation", [np.sum, np.max, np.ma.mean, np.amin])
def test_a_numpy_function_is_the_reduction_of_its_name(call, standin, operation):
    value, count = call(operation, axis=(0, 2))
    np.testing.assert_allclose(
        value, operation(CHUNK, axis=(0, 2), keepdims=True), rtol=1e-6
    )
    assert count.ravel().tolist() == [8, 8, 8]
    assert standin.asked[-1].path != "/v2/select"


@pytest.mark.parametrize("operation", [None, "select"])
def test_the_elements_themselves_come_without_a_count(call, operation):
    selection = (1, [2, 0], slice(None, None, -2))
    value, count = call(operation, selection=selection)
    np.testing.assert_array_equal(value, CHUNK[1:2][:, [2, 0]][:, :, ::-2])
    assert count is None


def test_any_other_function_is_applied_to_the_elements(call):
    value, count = call(np.median, axis=0)
    np.testing.assert_array_equal(value, np.median(CHUNK, axis=0, keepdims=True))
    assert count.shape == (1, 3, 4)


@pytest.mark.parametrize("order", ["C", "F"])
def test_codecs_order_and_missing_rules_are_those_of_existing_clients(call, order):
    value, count = call(
        "sum", missing=(0, [3.0, 5.0], None, None), order=order,
        compression=numcodecs.Zlib(1), filters=[numcodecs.Shuffle(4)],
    )  # fmt: skip
    assert value.item() == CHUNK.sum() - 8
    assert count.item() == 21
    value, count = call("sum", missing=(None, None, 2, 4), order=order)
    assert (value.item(), count.item()) == (9, 3)


def test_all_missing_is_masked(call):
    value, count = call("max", missing=(None, None, 1000, None))
    assert value.mask.all()
    assert count.item() == 0


def test_the_session_s_own_credentials_are_used(call, standin):
    call("max")
    assert standin.asked[-1].authorization == basic(*ACCESS)


def test_an_error_of_the_server_is_raised_with_its_json(call):
    with pytest.raises(ReductionistError, match="NoSuchKey") as caught:
        call("sum", key="none")
    assert caught.value.status_code == 400
    assert caught.value.error["error"]["caused_by"][-1] == "NoSuchKey"
    with pytest.raises(ReductionistError, match="failed to decompress"):
        # The chunk was stored plainly.
        call("sum", compression=_Liar())


class _Liar(numcodecs.Zlib):
    def encode(self, data):
        return data


def test_the_version_is_found_out_once_for_a_server(call, standin):
    call("max")
    call("max")
    assert [asked.path for asked in standin.asked] == [
        "/v2/count",
        "/v2/max",
        "/v2/max",
    ]


def test_version_1_is_spoken_if_named(session):
    with StandIn("v1", has_options=False) as old:
        old.objects["b", "k"] = CHUNK.tobytes()
        value, _ = reduce_chunk(
            session, old.url, "http://s3.example", "b", "k", 0, CHUNK.nbytes, None, None,
            None, "f4", CHUNK.shape, "C", ALL, "max", axis=(0, 1), api_version="v1",
        )  # fmt: skip
        np.testing.assert_array_equal(value, CHUNK.max((0, 1), keepdims=True))
        assert old.asked[-1].body["source"] == "http://s3.example"


def test_a_version_that_does_not_exist_is_refused(call):
    with pytest.raises(ConfigError, match="api_version must be"):
        call("max", api_version="v3")


def test_a_secret_is_not_sent_in_clear_to_another_machine(call):
    with pytest.raises(ConfigError, match="allow_insecure_auth"):
        call("max", server="http://10.0.0.1:8080")


def test_a_server_that_is_not_there_is_unavailable(call, standin):
    standin.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        call("max")


def test_a_secret_in_a_header_of_the_session_is_not_sent_in_clear_either(call, session):
    session.auth = None
    session.headers["Authorization"] = basic(*ACCESS)
    with pytest.raises(ConfigError, match="allow_insecure_auth"):
        call("max", server="http://10.0.0.1:8080")


def test_a_password_in_the_server_s_url_is_refused_and_not_repeated(call, session):
    session.auth = None
    with pytest.raises(ConfigError, match="no password") as caught:
        call("max", server=f"http://{ACCESS[0]}:{ACCESS[1]}@127.0.0.1:1")
    assert ACCESS[1] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("auth", [ACCESS, requests.auth.HTTPBasicAuth(*ACCESS)])
def test_the_session_s_secret_is_in_no_error(call, session, standin, auth):
    session.auth = auth
    standin.fail(says(400, {"error": {"message": f"it is {ACCESS[1]}"}}))
    with pytest.raises(ReductionistError, match=r"it is \*\*\*") as caught:
        call("max")
    assert ACCESS[1] not in repr(caught.value.error)


@pytest.mark.parametrize("url", [None, "", "s3.example"])
def test_no_url_of_a_store_is_one_clear_line(session, standin, url):
    with pytest.raises(ConfigError, match="source must be a URL"):
        reduce_chunk(
            session, standin.url, url, "b", "k", 0, CHUNK.nbytes, None, None, None, "f4",
            CHUNK.shape, "C", ALL, "max",
        )  # fmt: skip
