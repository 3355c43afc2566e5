"""Our records and the trees of a domain, on a stock xenstored."""

from dataclasses import replace

from unit.drivers.xen.conftest import spec
from xenhost.core.ids import DomId
from xenhost.core.vm import VmType
from xenhost.drivers.xen import control, paths, tree
from xenhost.drivers.xen.record import Record, Stage, list_records, new_record, prepare, read_record, read_records
from xenhost.native.xenstore import Access, Perm, Xenstore

FIVE, SIX = DomId(5), DomId(6)


async def test_a_record_is_read_as_it_was_written(xs: Xenstore) -> None:
    await prepare(xs)
    record = Record(FIVE, spec().id, VmType.PVH, Stage.CREATED)
    await xs.apply(new_record(record))
    assert await read_record(xs, FIVE) == record
    assert await read_records(xs, [SIX, FIVE]) == [None, record]
    assert await list_records(xs) == [FIVE]
    assert await prepare(xs) == FIVE


async def test_no_guest_may_read_a_record(xs: Xenstore) -> None:
    await prepare(xs)
    await xs.apply(new_record(Record(FIVE, spec().id, VmType.PV, Stage.CREATED)))
    for path in (paths.ROOT, paths.RECORDS, paths.record(FIVE), paths.record_vm(FIVE)):
        assert await xs.get_perms(path) == (Perm(0, Access.NONE),)


async def test_a_record_that_was_cut_short_is_none(xs: Xenstore) -> None:
    await prepare(xs)
    await xs.write(paths.record_vm(FIVE), spec().id)
    assert await read_record(xs, FIVE) is None
    await xs.write(paths.record_type(FIVE), "pv")
    await xs.write(paths.record_stage(FIVE), "nonsense")
    assert await read_record(xs, FIVE) is None


async def test_records_of_what_is_no_domain_are_not_listed(xs: Xenstore) -> None:
    await prepare(xs)
    await xs.write(f"{paths.RECORDS}/x", "")
    await xs.write(f"{paths.RECORDS}/99999", "")
    assert await list_records(xs) == []


async def test_a_guest_may_write_the_listed_nodes_and_nothing_else(xs: Xenstore) -> None:
    vm = replace(spec(VmType.PVH), xenstore_data={"vm-data/role": "web"}, platform={"acpi": "1"})
    await xs.introduce(FIVE, 1, 1)  # permissions for a domain that xenstored does not know are dropped
    await xs.apply(tree.new_home(FIVE, vm))
    await xs.apply(tree.guest_tree(FIVE, vm))
    await xs.apply(tree.ring_nodes(FIVE, (10, 1), (11, 2)))
    home = paths.home(FIVE)
    nodes = await xs.read_tree(home)
    writable = set()
    for path in nodes:
        perms = await xs.get_perms(path)
        if perms[0].domid == FIVE:
            writable.add(path.removeprefix(f"{home}/"))
            assert perms == tuple(tree.guest_writes(FIVE))
        else:
            assert perms == tuple(tree.guest_reads(FIVE)), path
    assert writable == set(paths.Writable)
    assert nodes[f"{home}/vm-data/role"] == b"web"
    assert nodes[f"{home}/name"] == b"guest"
    assert nodes[f"{home}/cpu/0/availability"] == b"online"
    assert nodes[f"{home}/memory/target"] == str(128 * 1024).encode()
    assert await xs.get_perms(paths.libxl(FIVE)) == (Perm(0, Access.NONE),)
    assert await xs.get_perms(f"{paths.vm(vm.id)}/uuid") == tuple(tree.guest_reads(FIVE))


async def test_what_a_guest_is_told_is_replaced_whole_and_stays_out_of_its_hands(xs: Xenstore) -> None:
    vm = replace(spec(VmType.PVH), xenstore_data={"vm-data/role": "web", "vm-data/old/place": "1"})
    await xs.introduce(FIVE, 1, 1)
    await xs.apply(tree.new_home(FIVE, vm))
    await xs.apply(tree.guest_tree(FIVE, vm))
    home = paths.home(FIVE)
    await control.set_vm_data(xs, FIVE, {"vm-data/role": "db", "vm-data/new/place": "2"})
    nodes = await xs.read_tree(home)
    told = {path.removeprefix(f"{home}/"): value for path, value in nodes.items() if "/vm-data" in path and value}
    assert told == {"vm-data/role": b"db", "vm-data/new/place": b"2"}
    assert await xs.get_perms(f"{home}/vm-data/new/place") == tuple(tree.guest_reads(FIVE))
    await control.set_vm_data(xs, FIVE, {})
    assert not [path for path in await xs.read_tree(home) if "/vm-data" in path]


async def test_what_was_written_for_a_domain_is_all_removed(xs: Xenstore) -> None:
    await prepare(xs)
    before = await xs.read_tree("/")
    for vm_type in VmType:
        vm = spec(vm_type)
        await xs.apply(new_record(Record(FIVE, vm.id, vm.type, Stage.CREATED)))
        await xs.apply(tree.new_home(FIVE, vm))
        await xs.apply(tree.guest_tree(FIVE, vm))
        await xs.apply(tree.ring_nodes(FIVE, (10, 1), (11, 2)))
        for kind in tree.BACKEND_KINDS:
            await xs.mkdir(paths.backend(FIVE, kind, 0))  # type: ignore[arg-type]  # any device
        await xs.rm_many(tree.removal(FIVE, vm.id))
    after = await xs.read_tree("/")
    made = after.keys() - before.keys()
    # the directories that all domains share stay
    assert made <= {
        paths.LAST_DOMID,
        "/vm",
        "/libxl",
        "/local",
        "/local/domain",
        "/local/domain/0",
        "/local/domain/0/backend",
        "/local/domain/0/device-model",
        *(f"/local/domain/0/backend/{kind}" for kind in tree.BACKEND_KINDS),
    }


def test_the_record_is_removed_last() -> None:
    assert tree.removal(FIVE, spec().id)[-1] == paths.record(FIVE)
