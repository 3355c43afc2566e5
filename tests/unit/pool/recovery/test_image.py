from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.fixed import FixedStore
from xenhost.pool.database.port import StoreFailed
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.recovery.image import HEAD, BadImage, fixed_store, length, parsed, written

POOL = "11111111-2222-3333-4444-555555555555"


async def test_what_was_written_is_read_again_and_never_changed() -> None:
    one = Database(MODEL, FixedStore(()))
    await one.open()
    with pytest.raises(StoreFailed):
        one.note(lambda t: t.create("VM", {}, Ref("OpaqueRef:v")))
    data = written(MODEL, {}, POOL, 9)
    image = parsed(data + b"what is behind it")
    assert (image.pool, image.generation, length(data[:HEAD])) == (POOL, 9, len(data) - HEAD)
    other = Database(MODEL, fixed_store(MODEL, image))
    assert await other.open() == 0


@given(st.binary(max_size=300), st.integers(0, 400))
def test_what_is_damaged_is_no_image(noise: bytes, at: int) -> None:
    data = written(MODEL, {}, POOL, 9)
    with pytest.raises(BadImage):
        parsed(noise)
    damaged = data[:at] + noise + data[at + len(noise) :]
    with suppress(BadImage):
        assert parsed(damaged).packed == parsed(data).packed
