"""Checks of damaged chunks: a stream or a checksum that does not fit is noticed."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from activecore.backend import StorageBackend
from activecore.errors import ChunkError
from activecore.model import Codec
from activecore.testing.golden import GoldenCase, golden_case
from activecore.testing.harness import Harness, fail
from activecore.testing.raising import must_raise

__all__ = ["DamageChecks"]

_CHUNKS = [
    np.random.default_rng(k).integers(-99, 99, (4, 5)).astype("f4") for k in range(4)
]


class DamageChecks(Harness):
    """Bytes that came and are wrong."""

    @pytest.mark.parametrize(
        "damage", ["garbage", "truncated", "inflates-to-less", "inflates-to-more"]
    )
    def test_capability_damaged_stream_is_an_error(
        self, backend: StorageBackend, damage: str
    ) -> None:
        """A zlib stream that is none, ends early, or holds another size."""
        case = _coded(Codec.of("zlib", level=4))
        whole = case.encoded[1]
        raw = _CHUNKS[1].tobytes()
        damaged = {
            "garbage": bytes(255 - byte for byte in whole),
            "truncated": whole[:-6],
            "inflates-to-less": zlib.compress(raw[:-4]),
            "inflates-to-more": zlib.compress(raw + bytes(4096)),
        }[damage]
        self._must_notice(backend, case, damaged, damage)

    @pytest.mark.parametrize("codec", ["fletcher32", "crc32c"])
    def test_capability_checksum_is_verified(
        self, backend: StorageBackend, codec: str
    ) -> None:
        """One bit of the chunk is another one."""
        case = _coded(Codec.of(codec))
        damaged = bytearray(case.encoded[1])
        damaged[17] ^= 4
        self._must_notice(backend, case, bytes(damaged), f"a {codec} that does not fit")

    def _must_notice(
        self, backend: StorageBackend, case: GoldenCase, damaged: bytes, what: str
    ) -> None:
        chunks = [*case.encoded]
        chunks[1] = damaged
        batch = self.batch(case, self.lay_out(case.name, chunks))
        reason = backend.why_not(batch)
        if reason is not None:
            pytest.skip(f"not offered: {', '.join(case.capabilities)}: {reason}")
        error = must_raise(backend, batch, f"4 chunks, chunk 1 damaged: {what}", 1)
        if isinstance(error, ChunkError) and error.position != 1:
            fail(
                asked=f"4 chunks, chunk 1 damaged: {what}",
                expected="an error with position 1",
                came_back=f"position {error.position}: {error}",
                usually="ChunkError(..., position=...) is the place in the batch",
            )


def _coded(codec: Codec) -> GoldenCase:
    return golden_case(f"damaged-{codec}", _CHUNKS, "select", codecs=(codec,))
