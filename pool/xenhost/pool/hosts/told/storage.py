"""SRs, PBDs and VDIs."""

from collections.abc import Iterable

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.hosts.told.book import Book, moment, text_map
from xenhost.pool.model.enums import ENUMS

VDI_TYPES = {
    number: name.removeprefix("VDI_TYPE_").lower()
    for name, number in storage_pb2.VdiType.items()
    if name != "VDI_TYPE_UNSPECIFIED"
} | {storage_pb2.VDI_TYPE_UNSPECIFIED: "user"}


def put_sr(book: Book, told: storage_pb2.Sr) -> Ref:
    """An SR, and the PBD that says how this host reaches it."""
    status = told.status
    ref = book.put(
        "SR",
        told.id,
        {
            "type": told.type,
            "content_type": told.content_type,
            "shared": told.shared,
            "physical_size": status.physical_size_bytes,
            "physical_utilisation": status.physical_utilisation_bytes,
            "virtual_allocation": status.virtual_allocation_bytes,
            "allowed_operations": _known("storage_operations", status.allowed_operations),
            "sm_config": text_map(told.sm_config),
        },
        once={
            "name_label": told.name,
            "name_description": told.description,
            "other_config": text_map(told.other_config),
        },
    )
    fields: dict[str, Value] = {"currently_attached": status.attached, "device_config": text_map(told.device_config)}
    pbd = find_pbd(book, ref)
    if pbd == NULL_REF:
        book.transaction.create("PBD", {**fields, "host": book.host, "SR": ref})
    else:
        book.transaction.set("PBD", pbd, fields)
    return ref


def find_pbd(book: Book, sr: Ref) -> Ref:
    """This host's PBD of an SR, or NULL_REF."""
    pbds = book.get("SR", sr)["PBDs"]
    assert isinstance(pbds, tuple)
    return next((Ref(str(pbd)) for pbd in pbds if book.get("PBD", Ref(str(pbd)))["host"] == book.host), NULL_REF)


def drop_sr(book: Book, uuid: str) -> None:
    """This host does not know the SR any more; if none does, it is gone with its VDIs."""
    ref = book.find("SR", uuid)
    if ref == NULL_REF:
        return
    pbd = find_pbd(book, ref)
    if pbd != NULL_REF:
        book.transaction.delete("PBD", pbd)
    record = book.get("SR", ref)
    if not record["PBDs"] and not record["shared"]:
        vdis = record["VDIs"]
        assert isinstance(vdis, tuple)
        for vdi in vdis:
            book.transaction.delete("VDI", Ref(str(vdi)))
        book.transaction.delete("SR", ref)


def put_vdi(book: Book, told: storage_pb2.Vdi) -> Ref:
    """A VDI; NULL_REF if its SR is not there."""
    status = told.status
    sr = book.find("SR", told.sr_id)
    if sr == NULL_REF:
        return NULL_REF
    return book.put(
        "VDI",
        told.id,
        {
            "SR": sr,
            "name_label": told.name,
            "name_description": told.description,
            "virtual_size": told.virtual_size_bytes,
            "physical_utilisation": status.physical_utilisation_bytes,
            "type": VDI_TYPES.get(told.type, "user"),
            "sharable": told.sharable,
            "read_only": told.read_only,
            "on_boot": "reset" if told.on_boot == storage_pb2.ON_BOOT_RESET else "persist",
            "location": status.location,
            "managed": status.managed,
            "missing": status.missing,
            "is_a_snapshot": status.is_a_snapshot,
            "snapshot_of": book.find("VDI", status.snapshot_of),
            "snapshot_time": moment(status.snapshot_time),
            "cbt_enabled": status.cbt_enabled,
            "allowed_operations": _known("vdi_operations", status.allowed_operations),
        },
        once={"sm_config": text_map(told.sm_config)},
    )


def _known(enum: str, words: Iterable[str]) -> tuple[str, ...]:
    """Those that the API has a word for."""
    return tuple(word for word in words if word in ENUMS[enum])
