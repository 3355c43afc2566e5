"""The promises, for any protocol. Each function is one; its name says it. What it makes, it destroys."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from xenhost.sm.sdk.conformance.place import Failure, Place, Volume

SIZE: Final = 8 << 20
BLOCK: Final = 1 << 16
Promise = Callable[[Place], None]


class Broke(Exception):
    """A promise is not kept; the text says how."""


def check(kept: bool, text: str) -> None:
    """Fail with that text unless it is so."""
    if not kept:
        raise Broke(text)


@contextmanager
def volume(place: Place, size: int = SIZE) -> Iterator[Volume]:
    """A volume that is destroyed afterwards."""
    place.needs("VDI_CREATE", "VDI_DELETE")
    made = place.create(size)
    try:
        yield made
    finally:
        if made.key in place.volumes():
            place.destroy(made.key)


@contextmanager
def destroyed(place: Place, made: Volume) -> Iterator[Volume]:
    """A snapshot or clone that is destroyed afterwards."""
    try:
        yield made
    finally:
        place.destroy(made.key)


def put(place: Place, key: str, data: Mapping[int, bytes]) -> None:
    """Write to a volume, through its datapath."""
    with place.active(key) as path, open(path, "r+b", buffering=0) as disk:
        for offset, piece in data.items():
            disk.seek(offset)
            disk.write(piece)


def holds(place: Place, key: str, data: Mapping[int, bytes], what: str) -> None:
    """Read a volume, through its datapath, and compare."""
    with place.active(key, writable=False) as path, open(path, "rb", buffering=0) as disk:
        for offset, piece in data.items():
            disk.seek(offset)
            check(disk.read(len(piece)) == piece, f"{what}: other bytes than expected at {offset}")


def refused(place: Place, work: Callable[[], object], what: str) -> Failure:
    """It must fail, and say so properly."""
    try:
        work()
    except Failure as failure:
        return failure
    raise Broke(f"{what} must fail, and did not")


def a_new_sr_is_empty_and_healthy(place: Place) -> None:
    check(not place.volumes(), "a new SR must list no volumes")
    space = place.space()
    check(space.healthy, "a new SR must be Healthy")
    check(0 <= space.free <= space.total and space.total > 0, f"free_space and total_space cannot be right: {space}")


def attaching_again_gives_the_same_sr(place: Place) -> None:
    with volume(place) as made:
        place.attach_sr()
        check(made.key in place.volumes(), "after a second SR.attach the volume is gone")


def an_sr_is_not_made_on_top_of_another(place: Place) -> None:
    with volume(place) as made:
        refused(place, place.create_another_sr, "SR.create in the place of another SR")
        check(made.key in place.volumes(), "SR.create was refused, and yet the old volumes are gone")


def what_was_made_is_there_after_detaching_and_attaching(place: Place) -> None:
    with volume(place) as made:
        put(place, made.key, {0: b"x" * BLOCK})
        place.detach_sr()
        place.attach_sr()
        check(made.key in place.volumes(), "the volume is gone")
        holds(place, made.key, {0: b"x" * BLOCK}, "after SR.detach and SR.attach")


def a_new_volume_is_listed_and_as_large_as_asked(place: Place) -> None:
    with volume(place, SIZE - 512) as made:
        check(made.size >= SIZE - 512, f"{made.size} bytes were made of {SIZE - 512}")
        listed = place.volumes().get(made.key)
        check(listed is not None, "SR.ls does not list it")
        check(listed == place.stat(made.key) == made, f"SR.ls, Volume.stat and Volume.create differ: {listed}, {made}")


def a_new_volume_is_zeros_to_its_end(place: Place) -> None:
    with volume(place) as made:
        ends = {0: bytes(BLOCK), SIZE - BLOCK: bytes(BLOCK)}
        holds(place, made.key, ends, "a new volume")


def what_is_written_is_read_again(place: Place) -> None:
    data = {0: b"a" * BLOCK, SIZE - BLOCK: b"z" * BLOCK}
    with volume(place) as made:
        put(place, made.key, data)
        holds(place, made.key, data, "after deactivate and activate")


def names_are_kept_whatever_is_in_them(place: Place) -> None:
    place.needs("VDI_UPDATE")
    name, description = 'größer "<&>"', "line\nand\ttab"
    with volume(place) as made:
        for _ in range(2):
            place.rename(made.key, name, description)
        found = place.stat(made.key)
        check((found.name, found.description) == (name, description), f"{found.name!r}, {found.description!r}")


def a_destroyed_volume_is_gone(place: Place) -> None:
    with volume(place) as made:
        place.destroy(made.key)
        check(made.key not in place.volumes(), "SR.ls still lists it")
        try:
            place.destroy(made.key)
        except Failure as failure:
            check(failure.code in place.missing_code, f"destroying it again fails with {failure.code}")


def a_volume_that_is_not_there_is_reported_as_such(place: Place) -> None:
    for name, work in (
        ("stat", lambda: place.stat("3b0c7a11-dead-4bad-8bad-000000000000")),
        ("resize", lambda: place.resize("3b0c7a11-dead-4bad-8bad-000000000000", SIZE)),
    ):
        code = refused(place, work, f"{name} of a volume that is not there").code
        check(code in place.missing_code, f"{name}: {place.missing_code[0]} is right, not {code}")


def an_impossible_size_is_refused_and_leaves_nothing(place: Place) -> None:
    before = set(place.volumes())
    refused(place, lambda: place.create(1 << 62), "a volume of 4 EiB")
    check(set(place.volumes()) == before, "the volume that failed is listed")


def a_volume_grows_and_keeps_its_content(place: Place) -> None:
    place.needs("VDI_RESIZE")
    with volume(place) as made:
        put(place, made.key, {0: b"k" * BLOCK})
        for _ in range(2):
            place.resize(made.key, 2 * SIZE)
        check(place.stat(made.key).size >= 2 * SIZE, "it has not grown")
        holds(place, made.key, {0: b"k" * BLOCK, 2 * SIZE - BLOCK: bytes(BLOCK)}, "a volume that grew")


def a_volume_does_not_shrink(place: Place) -> None:
    place.needs("VDI_RESIZE")
    with volume(place) as made:
        refused(place, lambda: place.resize(made.key, SIZE // 2), "shrinking")
        check(place.stat(made.key).size == made.size, "its size changed")


def a_snapshot_is_read_only_and_keeps_what_was(place: Place) -> None:
    place.needs("VDI_SNAPSHOT")
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with destroyed(place, place.snapshot(made.key)) as snapshot:
            check(snapshot.key != made.key, "the snapshot has the key of its origin")
            check(snapshot.size == made.size, "the snapshot has another size")
            check(snapshot.read_only, "read_write of a snapshot must be false")
            put(place, made.key, {0: b"2" * BLOCK})
            holds(place, snapshot.key, {0: b"1" * BLOCK}, "the snapshot")
            check({made.key, snapshot.key} <= set(place.volumes()), "SR.ls does not list both")


def a_clone_and_its_origin_are_independent(place: Place) -> None:
    place.needs("VDI_CLONE")
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with destroyed(place, place.clone(made.key)) as clone:
            check(not clone.read_only, "a clone must be writable")
            put(place, clone.key, {0: b"c" * BLOCK})
            holds(place, made.key, {0: b"1" * BLOCK}, "the origin")
            place.destroy(made.key)
            holds(place, clone.key, {0: b"c" * BLOCK, BLOCK: bytes(BLOCK)}, "the clone, its origin destroyed")


def a_snapshot_outlives_its_origin(place: Place) -> None:
    place.needs("VDI_SNAPSHOT")
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with destroyed(place, place.snapshot(made.key)) as snapshot:
            place.destroy(made.key)
            holds(place, snapshot.key, {0: b"1" * BLOCK}, "the snapshot, its origin destroyed")


def reverting_brings_back_what_was_and_keeps_the_snapshot(place: Place) -> None:
    place.needs("VDI_REVERT", "VDI_SNAPSHOT")
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with destroyed(place, place.snapshot(made.key)) as snapshot:
            put(place, made.key, {0: b"2" * BLOCK})
            for _ in range(2):
                place.revert(made.key, snapshot.key)
            holds(place, made.key, {0: b"1" * BLOCK}, "the volume")
            put(place, made.key, {0: b"3" * BLOCK})
            holds(place, snapshot.key, {0: b"1" * BLOCK}, "the snapshot")


def a_snapshot_of_an_active_volume_is_of_that_instant_or_refused(place: Place) -> None:
    place.needs("VDI_SNAPSHOT")
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with place.active(made.key) as path:
            try:
                snapshot = place.snapshot(made.key)
            except Failure:
                return
            with open(path, "r+b", buffering=0) as disk:
                disk.write(b"2" * BLOCK)
        with destroyed(place, snapshot):
            holds(place, snapshot.key, {0: b"1" * BLOCK}, "the snapshot")


def an_active_volume_is_not_destroyed(place: Place) -> None:
    with volume(place) as made:
        put(place, made.key, {0: b"1" * BLOCK})
        with place.active(made.key):
            refused(place, lambda: place.destroy(made.key), "destroying an active volume")
        holds(place, made.key, {0: b"1" * BLOCK}, "the volume")


def volumes_are_made_side_by_side(place: Place) -> None:
    place.needs("VDI_CREATE", "VDI_DELETE")
    before = set(place.volumes())
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: place.create(SIZE, f"number {number}"), range(4)))
        found = place.volumes()
        try:
            check(len({each.key for each in made}) == 4, "two volumes have one key")
            check({each.key for each in made} == set(found) - before, "SR.ls lists others than were made")
            check(
                sorted(found[each.key].name for each in made) == [f"number {n}" for n in range(4)], "names are mixed up"
            )
        finally:
            list(pool.map(lambda each: place.destroy(each.key), made))


PROMISES: Final[tuple[Promise, ...]] = (
    a_new_sr_is_empty_and_healthy,
    attaching_again_gives_the_same_sr,
    an_sr_is_not_made_on_top_of_another,
    what_was_made_is_there_after_detaching_and_attaching,
    a_new_volume_is_listed_and_as_large_as_asked,
    a_new_volume_is_zeros_to_its_end,
    what_is_written_is_read_again,
    names_are_kept_whatever_is_in_them,
    a_destroyed_volume_is_gone,
    a_volume_that_is_not_there_is_reported_as_such,
    an_impossible_size_is_refused_and_leaves_nothing,
    a_volume_grows_and_keeps_its_content,
    a_volume_does_not_shrink,
    a_snapshot_is_read_only_and_keeps_what_was,
    a_clone_and_its_origin_are_independent,
    a_snapshot_outlives_its_origin,
    reverting_brings_back_what_was_and_keeps_the_snapshot,
    a_snapshot_of_an_active_volume_is_of_that_instant_or_refused,
    an_active_volume_is_not_destroyed,
    volumes_are_made_side_by_side,
)
