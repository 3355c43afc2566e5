"""Archives of VMs as xapi writes them, made by hand: not with anything of ours."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import xxhash
import zstandard

from xenhost.core.units import MIB

UUID = "3f1c2d0e-1111-4222-8333-00000000000"
"""But for the last digit."""


def xml(value: Any) -> str:
    """As OCaml's rpclib writes it: text and numbers bare."""
    match value:
        case bool():
            return f"<value><boolean>{int(value)}</boolean></value>"
        case float():
            return f"<value><double>{value}</double></value>"
        case dict():
            members = "".join(f"<member><name>{escape(k)}</name>{xml(v)}</member>" for k, v in value.items())
            return f"<value><struct>{members}</struct></value>"
        case list():
            return f"<value><array><data>{''.join(xml(each) for each in value)}</data></array></value>"
        case str() if value.startswith("time:"):
            return f"<value><dateTime.iso8601>{value[5:]}</dateTime.iso8601></value>"
    return f"<value>{escape(str(value))}</value>"


def version(**more: Any) -> dict[str, Any]:
    return {
        "hostname": "builder",
        "date": "2019-08-09",
        "product_version": "8.0.0",
        "product_brand": "XenServer",
        "build_number": "release/naples/master/45",
        "xapi_major": 1,
        "xapi_minor": 3,
        "export_vsn": 2,
    } | more


def things(size: int, **vm: Any) -> list[dict[str, Any]]:
    """A VM with a disk, an empty CD drive and a network card."""
    operations: dict[str, Any] = {"allowed_operations": [], "current_operations": {}}
    qos = {"qos_algorithm_type": "", "qos_algorithm_params": {}, "qos_supported_algorithms": []}
    device = {**operations, **qos, "currently_attached": False, "status_code": 0, "status_detail": "", "reserved": True}
    record = {
        **operations,
        "uuid": f"{UUID}1",
        "power_state": "Halted",
        "name_label": "web <1>",
        "name_description": "of another pool",
        "user_version": 1,
        "is_a_template": False,
        "is_default_template": False,
        "suspend_VDI": "OpaqueRef:NULL",
        "resident_on": "OpaqueRef:NULL",
        "affinity": "OpaqueRef:NULL",
        "memory_overhead": 9437184,
        "memory_target": 0,
        "memory_static_max": 256 * MIB,
        "memory_dynamic_max": 256 * MIB,
        "memory_dynamic_min": 256 * MIB,
        "memory_static_min": 128 * MIB,
        "VCPUs_params": {"weight": "512"},
        "VCPUs_max": 2,
        "VCPUs_at_startup": 2,
        "actions_after_shutdown": "destroy",
        "actions_after_reboot": "restart",
        "actions_after_crash": "restart",
        "consoles": [],
        "VIFs": ["Ref:3"],
        "VBDs": ["Ref:1", "Ref:6"],
        "crash_dumps": [],
        "VTPMs": [],
        "PV_bootloader": "",
        "PV_kernel": "",
        "PV_ramdisk": "",
        "PV_args": "",
        "PV_bootloader_args": "",
        "PV_legacy_args": "",
        "HVM_boot_policy": "BIOS order",
        "HVM_boot_params": {"order": "cdn"},
        "HVM_shadow_multiplier": 1.0,
        "platform": {"acpi": "1", "viridian": "true"},
        "PCI_bus": "",
        "other_config": {"mac_seed": "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f", "folder": "/a", "import_task": "old"},
        "domid": -1,
        "domarch": "",
        "last_boot_CPU_flags": {},
        "is_control_domain": False,
        "metrics": "OpaqueRef:NULL",
        "guest_metrics": "OpaqueRef:NULL",
        "last_booted_record": "",
        "recommendations": "<restrictions/>",
        "xenstore_data": {"vm-data": ""},
        "ha_always_run": False,
        "ha_restart_priority": "",
        "is_a_snapshot": False,
        "snapshot_of": "OpaqueRef:NULL",
        "snapshots": [],
        "snapshot_time": "time:19700101T00:00:00Z",
        "parent": "OpaqueRef:NULL",
        "children": [],
        "bios_strings": {"bios-vendor": "Xen", "unknown-key": "x"},
        "tags": ["blue"],
        "version": 0,
        "generation_id": "1:2",
        "domain_type": "hvm",
        "a_field_of_2031": {"a": ["b"]},
    } | vm
    objects = [
        ("VM", "Ref:0", record),
        (
            "VBD",
            "Ref:1",
            {
                **device,
                "uuid": f"{UUID}2",
                "VM": "Ref:0",
                "VDI": "Ref:2",
                "device": "xvda",
                "userdevice": "0",
                "bootable": True,
                "mode": "RW",
                "type": "Disk",
                "unpluggable": False,
                "storage_lock": False,
                "empty": False,
                "other_config": {"owner": ""},
                "metrics": "OpaqueRef:NULL",
            },
        ),
        (
            "VBD",
            "Ref:6",
            {
                **device,
                "uuid": f"{UUID}3",
                "VM": "Ref:0",
                "VDI": "OpaqueRef:NULL",
                "device": "xvdd",
                "userdevice": "3",
                "bootable": False,
                "mode": "RO",
                "type": "CD",
                "unpluggable": True,
                "empty": True,
                "other_config": {},
            },
        ),
        (
            "VIF",
            "Ref:3",
            {
                **device,
                "uuid": f"{UUID}4",
                "VM": "Ref:0",
                "network": "Ref:4",
                "device": "0",
                "MAC": "00:16:3e:11:22:33",
                "MTU": 1500,
                "other_config": {},
                "locking_mode": "network_default",
                "ipv4_allowed": [],
                "ipv6_allowed": [],
            },
        ),
        (
            "network",
            "Ref:4",
            {
                **operations,
                "uuid": f"{UUID}5",
                "name_label": "Pool-wide network associated with eth9",
                "name_description": "",
                "VIFs": ["Ref:3"],
                "PIFs": [],
                "MTU": 1500,
                "other_config": {},
                "bridge": "xenbr9",
                "tags": [],
            },
        ),
        (
            "VDI",
            "Ref:2",
            {
                **operations,
                "uuid": f"{UUID}6",
                "name_label": "web 0",
                "name_description": "root",
                "SR": "Ref:5",
                "VBDs": ["Ref:1"],
                "virtual_size": size,
                "physical_utilisation": 4096,
                "type": "system",
                "sharable": False,
                "read_only": False,
                "other_config": {"content_id": "abc"},
                "storage_lock": False,
                "location": f"{UUID}6",
                "managed": True,
                "missing": False,
                "xenstore_data": {},
                "sm_config": {"vdi_type": "vhd"},
                "tags": [],
            },
        ),
        (
            "SR",
            "Ref:5",
            {
                **operations,
                "uuid": f"{UUID}7",
                "name_label": "Local storage",
                "name_description": "",
                "VDIs": ["Ref:2"],
                "PBDs": [],
                "type": "ext",
                "content_type": "user",
                "shared": False,
                "other_config": {},
                "sm_config": {},
            },
        ),
    ]
    return [{"class": cls, "id": id, "snapshot": record} for cls, id, record in objects]


def ova(objects: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
    """ova.xml."""
    return xml({"version": version(**more), "objects": list(objects)}).encode()


def chunks(folder: str, content: bytes, sums: str = ".xxhash") -> Iterator[tuple[str, bytes]]:
    """A disk, as members of the tar: zeros are left out, but for the first and last MiB."""
    for number, start in enumerate(range(0, len(content), MIB)):
        data = content[start : start + MIB]
        if number == 0 or start + MIB >= len(content) or data.strip(b"\0"):
            yield f"{folder}/{number:08}", data
            yield f"{folder}/{number:08}{sums}", checksum(data, sums)


def checksum(data: bytes, sums: str = ".xxhash") -> bytes:
    """XXH64 in capitals, or SHA-1 in small letters."""
    if sums == ".xxhash":
        return b"%016X" % xxhash.xxh64_intdigest(data)
    return hashlib.sha1(data).hexdigest().encode()


def tar(*members: tuple[str, bytes], end: bool = True) -> bytes:
    """The archive."""
    out = io.BytesIO()
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o400
        out.write(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512))
    return out.getvalue() + (bytes(1024) if end else b"")


def archive(content: bytes, sums: str = ".xxhash", **vm: Any) -> bytes:
    """A VM with one disk."""
    return tar(("ova.xml", ova(things(len(content), **vm))), *chunks("Ref:2", content, sums))


PACKERS = {"none": lambda data: data, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def members(data: bytes) -> dict[str, bytes]:
    """What a plain archive holds, as Python's tarfile reads it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {each.name: opened.extractfile(each).read() for each in opened}  # type: ignore[union-attr] # plain files


def disk(held: Mapping[str, bytes], folder: str, size: int) -> bytes:
    """The content of a disk, with all checksums right."""
    content = bytearray(size)
    for name, data in held.items():
        if name.startswith(f"{folder}/") and not name.endswith(".xxhash"):
            start = int(name.rpartition("/")[2]) * MIB
            content[start : start + len(data)] = data
            assert held[f"{name}.xxhash"] == checksum(data)
    return bytes(content)
