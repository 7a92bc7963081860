"""What an error of the server means, told from its words before its status."""

import pickle

import pytest

from activecore import (
    AuthenticationError,
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ChunkDecodeError,
    ChunkNotFound,
    ChunkReadError,
)
from activecore_reductionist import (
    ReductionistError,
    ReductionistForbidden,
    ReductionistRefused,
    ReductionistUnavailable,
)
from activecore_reductionist.errors import error_of, without

S3 = "error retrieving object from S3 storage"


def json_of(message, *causes):
    return {
        "error": {"message": message, **({"caused_by": list(causes)} if causes else {})}
    }


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, json_of(S3, "service error", "NoSuchKey: no such key"), ChunkNotFound),
        (401, json_of(S3, "unhandled error (SignatureDoesNotMatch)"), AuthenticationError),
        (500, json_of(S3, "unhandled error (XAdminUserNotFound)"), AuthenticationError),
        (500, json_of(S3, "unhandled error (ExpiredToken)"), AuthenticationError),
        (403, "forbidden", AuthenticationError),
        (401, "", AuthenticationError),
        (404, json_of("error receiving object metadata from S3 storage"), AuthenticationError),
        (500, json_of(S3, "dispatch failure", "Connection refused"), BackendUnavailable),
        (503, "", BackendUnavailable),
        (429, "", BackendUnavailable),
        (500, json_of(S3, "unhandled error (InvalidRange)"), ChunkReadError),
        (400, json_of("failed to decompress data", "Corrupt data\n\n\n"), ChunkDecodeError),
        (400, json_of("failed to create array from shape"), ChunkDecodeError),
        (400, json_of("request data is not valid", "Raw data size must be equal"), ChunkDecodeError),
        (400, json_of("request data is not valid", "unknown variant `int8`"), BackendRefused),
        (400, json_of(S3, "service error", "unhandled error (NoSuchBucket)"), BackendRefused),
        (404, json_of("unsupported operation mean"), BackendRefused),
        (302, "", BackendRefused),
    ],
)  # fmt: skip
def test_the_words_count_for_more_than_the_status(status, error, kind):
    found = error_of(status, error)
    assert isinstance(found, kind)
    cause = found if isinstance(found, ReductionistError) else found.__cause__
    assert isinstance(cause, ReductionistError)
    assert isinstance(cause, BackendError)
    assert cause.status_code == status
    assert "\n" not in str(found)


def test_the_message_and_its_causes_stand_in_one_line():
    error = ReductionistError(400, json_of("a\nb", "c", "d"))
    assert str(error) == "Reductionist error: HTTP 400: a b: c: d"
    assert error.error == json_of("a\nb", "c", "d")


@pytest.mark.parametrize(
    "error", ['{"error": {"message": "m"}}', b'{"error": {"message": "m"}}']
)
def test_the_server_s_json_is_carried_however_it_was_given(error):
    assert ReductionistError(400, error).error == json_of("m")


@pytest.mark.parametrize(
    "kind",
    [
        ReductionistError,
        ReductionistForbidden,
        ReductionistRefused,
        ReductionistUnavailable,
    ],
)
def test_errors_survive_pickling(kind):
    error = kind(500, json_of("m", "c"))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.status_code, copy.error) == (500, json_of("m", "c"))


@pytest.mark.parametrize(
    "error", [None, "", [], 7, {"error": 3}, {"error": {"message": None}}]
)
def test_whatever_came_instead_of_json_is_one_line(error):
    assert str(ReductionistError(500, error)).startswith(
        "Reductionist error: HTTP 500: "
    )


def test_a_long_page_of_somebody_else_s_is_cut():
    assert len(str(ReductionistError(502, "<html>" + "x" * 10_000))) < 700


def test_what_a_terminal_would_obey_is_left_out():
    error = ReductionistError(
        500, '{"error": {"message": "a\\u001b[31mb\\ud800c\\u0000d"}}'
    )
    assert str(error) == "Reductionist error: HTTP 500: a [31mb c d"
    str(error).encode()


def test_what_may_be_done_is_said_where_the_server_does_not():
    unreached = json_of(S3, "dispatch failure", "Connection refused")
    assert "server_endpoint_url" in str(ReductionistError(500, unreached))
    assert str(ReductionistError(401)).endswith("; check key and secret")


def test_a_short_secret_hides_no_name_in_the_server_s_json():
    said = json_of(S3, "unhandled error (XAdminUserNotFound)")
    for secret in ("y", "e", "error"):
        assert set(without(said, [secret])["error"]) == {"message", "caused_by"}
