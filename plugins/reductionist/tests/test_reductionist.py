from importlib.metadata import entry_points

import pytest

from activecore import BackendRefused, ChunkBatch, ChunkLayout, ChunkRequest
from activecore_reductionist import ReductionistBackend, activecore_backend

REQUEST = ChunkRequest(
    layout=ChunkLayout("<f4", (4,)),
    source="bucket/key",
    offset=0,
    size=16,
    chunk_selection=(slice(0, 4, 1),),
    axis=(0,),
    operation="sum",
)


def test_entry_point_gives_the_backend_of_its_name():
    (entry,) = entry_points(group="activecore", name="reductionist")
    backend = entry.load().activecore_backend()
    assert backend is activecore_backend() is ReductionistBackend
    assert backend.name == entry.name


def test_contract_is_written_out_and_is_the_core_s():
    import activecore

    assert ReductionistBackend.contract == (1, 0)
    assert ReductionistBackend.contract[0] == activecore.CONTRACT[0]


def test_why_not_says_in_one_sentence_that_it_is_not_written_yet():
    reason = ReductionistBackend().why_not(ChunkBatch.of(REQUEST))
    assert reason is not None
    assert "yet" in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.reduce_chunk(REQUEST),
        lambda backend: backend.reduce_chunks(ChunkBatch.of(REQUEST)),
        lambda backend: backend.filesystem("s3://bucket/key"),
        lambda backend: backend.check(),
    ],
    ids=["reduce_chunk", "reduce_chunks", "filesystem", "check"],
)
def test_whatever_it_is_asked_it_refuses_so_that_another_may_answer(ask):
    with pytest.raises(BackendRefused, match="yet"):
        ask(ReductionistBackend())


def test_the_package_is_typed():
    from importlib.resources import files

    assert files("activecore_reductionist").joinpath("py.typed").is_file()
