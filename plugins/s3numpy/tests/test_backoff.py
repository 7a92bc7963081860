"""What ``Retry-After`` says, in both of its forms."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from activecore_s3numpy import may_be_obeyed, retry_after


def test_seconds_are_read():
    assert retry_after("7") == 7
    assert retry_after(" 0 ") == 0


def test_a_date_is_so_many_seconds_away():
    then = datetime.now(UTC) + timedelta(seconds=30)
    assert 25 < retry_after(format_datetime(then, usegmt=True)) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize("text", [None, "", "soon", "-3", "1.5", "²"])
def test_what_says_nothing_is_none(text):
    assert retry_after(text) is None


def test_a_server_that_wants_hours_is_not_waited_for():
    assert may_be_obeyed(None)
    assert may_be_obeyed(60)
    assert not may_be_obeyed(3600)
