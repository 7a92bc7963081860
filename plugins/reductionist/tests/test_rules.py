"""Several missing rules become the one that says the same, or none is sent."""

import numpy as np
import pytest

from activecore import BackendRefused, Missing
from activecore_reductionist.rules import rule_of

F4, I4, U8 = np.dtype("f4"), np.dtype("i4"), np.dtype("u8")


@pytest.mark.parametrize(
    ("missing", "dtype", "json"),
    [
        (Missing((0,)), I4, '{"missing_value":0}'),
        (Missing((1, 2, 1)), I4, '{"missing_values":[1,2]}'),
        (Missing((), 3), I4, '{"valid_min":3}'),
        (Missing((), None, 0), I4, '{"valid_max":0}'),
        (Missing((), -3, 3), I4, '{"valid_range":[-3,3]}'),
        (Missing((-9,), -3, 3), I4, '{"valid_range":[-3,3]}'),
        (Missing((-9, 4), None, 3), I4, None),
        (Missing((), -(2**31)), I4, ""),
        (Missing((5,), -(2**31), 2**31 - 1), I4, '{"missing_value":5}'),
        (Missing((2**64 - 1,)), U8, '{"missing_value":18446744073709551615}'),
        (Missing((), -np.inf), F4, ""),
        (Missing((), np.nan, 2.5), F4, '{"valid_max":25e-1}'),
        (Missing((np.inf,), None, 1), F4, '{"valid_max":1}'),
        (Missing(), F4, ""),
        (Missing((np.nan,)), F4, "NaN is missing here"),
        (Missing((1.0, np.nan), 0.0), F4, "NaN is missing here"),
        (Missing((np.inf,)), F4, "cannot be told the missing value inf"),
        (Missing((), np.inf), F4, "cannot be told the missing value inf"),
        (Missing((1,), 0, 3), I4, "one missing rule at a time"),
        (Missing((), 2, 2), I4, "valid range of a single value"),
        (Missing((), 3, 2), I4, "valid range of a single value"),
    ],
)
def test_rules_are_brought_into_one_where_one_says_the_same(missing, dtype, json):
    if json is None:
        json = "one missing rule at a time"
    if json == "" or json.startswith("{"):
        rule = rule_of(missing, dtype)
        assert ("" if rule is None else rule.json) == json
    else:
        with pytest.raises(BackendRefused, match=json):
            rule_of(missing, dtype)
