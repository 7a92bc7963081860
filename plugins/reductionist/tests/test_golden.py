"""Exchanges recorded from the real server; golden/PROVENANCE.md says how and when."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from reductionist_standin import StandIn

from activecore_reductionist import wire_v2
from activecore_reductionist.errors import error_of
from activecore_reductionist.question import Question

EXCHANGES = json.loads(
    Path(__file__).parent.joinpath("golden/exchanges.json").read_text()
)
VALUES = [each for each in EXCHANGES if each["kind"] == "value"]
ERRORS = [each for each in EXCHANGES if each["kind"] != "value"]


def question_of(exchange):
    request = exchange["request"]
    shape = tuple(request["shape"])
    whole = [[0, length, 1] for length in shape]
    dtype = np.dtype(request["dtype"]).newbyteorder(request["byte_order"][0])
    selection = tuple(tuple(item) for item in request.get("selection", whole))
    axis = tuple(request.get("axis", ()))
    return Question(exchange["operation"], dtype, shape, selection, axis, None, None)


def decoded(question, body):
    reply = wire_v2.decode(question, {}, body)
    return reply.values, reply.count


def test_there_are_exchanges_of_every_kind():
    assert {each["operation"] for each in VALUES} == {
        "count",
        "sum",
        "min",
        "max",
        "select",
    }
    assert len(VALUES) >= 20
    assert len(ERRORS) >= 10
    assert all(each["status"] == 200 for each in VALUES)
    assert all(each["status"] >= 400 for each in ERRORS)


@pytest.mark.parametrize("exchange", VALUES, ids=lambda e: e["operation"])
def test_what_the_real_server_answered_is_read_and_is_what_the_stand_in_answers(
    exchange,
):
    assert exchange["content_type"] == wire_v2.CONTENT_TYPE
    question = question_of(exchange)
    values, count = decoded(question, base64.b64decode(exchange["body"]))
    standin = StandIn(access=None)
    standin.objects["b", "k"] = base64.b64decode(exchange["stored"])
    path = f"/v2/{exchange['operation']}"
    status, _, body = standin.answer(path, json.dumps(exchange["request"]).encode())
    assert status == 200
    expected, behind = decoded(question, body)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(count, behind)


def test_a_recorded_sum_is_numpy_s():
    (exchange,) = (
        e
        for e in VALUES
        if e["operation"] == "sum" and e["request"].get("axis") == [0, 2]
    )
    elements = np.frombuffer(base64.b64decode(exchange["stored"]), "<f4").reshape(
        2, 3, 4
    )
    values, count = decoded(question_of(exchange), base64.b64decode(exchange["body"]))
    np.testing.assert_array_equal(values, elements.sum((0, 2)))
    assert count.tolist() == [8, 8, 8]


@pytest.mark.parametrize("exchange", ERRORS, ids=lambda e: e["kind"])
def test_what_the_real_server_refused_means_what_it_meant(exchange):
    found = error_of(exchange["status"], base64.b64decode(exchange["body"]))
    assert type(found).__name__ == exchange["kind"]
    assert "\n" not in str(found)
