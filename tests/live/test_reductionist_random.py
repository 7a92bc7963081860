"""A thousand random questions about files in the bucket, none of them answered wrongly.

Asked of ``["reductionist", "s3numpy"]``: what the server cannot answer rightly goes to
the second, and nothing is refused.
"""

from collections import Counter

import pytest
from agreement import check
from homes import Active
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_files import files, questions

import activecore as ac


@pytest.fixture(scope="module")
def active(services):
    home = Active(services)
    yield home
    home.close()


@pytest.mark.timeout(1500)
@pytest.mark.filterwarnings("ignore")  # of the writers and oracles
def test_a_thousand_random_questions_are_answered_as_the_formats_oracles_do(active):
    answered = Counter()

    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def ask(data):
        case = data.draw(files())
        question = data.draw(questions(case.shape))
        with ac.record() as run:
            check(case, question, active)
        answered.update(run.backends)

    ask()
    # Chunks, and most files have few: both have had their part in it. The server knows
    # 6 of 13 dtypes and a third of the codecs.
    assert answered["reductionist"] > 200
    assert answered["s3numpy"] > 200
