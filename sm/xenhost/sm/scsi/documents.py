"""XenServer's XML documents of disks and SRs that a probe finds."""

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from xenhost.sm.scsi.sysfs import Disk


def element(name: str, fields: Mapping[str, object]) -> str:
    """An element with one child for each field."""
    inner = "".join(f"\t\t<{key}>{escape(str(value))}</{key}>\n" for key, value in fields.items())
    return f"\t<{name}>\n{inner}\t</{name}>\n"


def document(name: str, children: Iterable[str]) -> str:
    """A whole document."""
    return f'<?xml version="1.0" ?>\n<{name}>\n{"".join(children)}</{name}>\n'


def device_list(disks: Iterable[Disk]) -> str:
    """`<Devlist>`: the disks that an SR can be made on."""
    return document(
        "Devlist",
        (
            element(
                "BlockDevice",
                {
                    "path": disk.path,
                    "numpaths": 1,
                    "SCSIid": disk.scsi_id,
                    "vendor": disk.vendor,
                    "serial": disk.serial,
                    "size": disk.size,
                    "adapter": disk.adapter,
                    "channel": disk.address[1] if disk.address else "",
                    "id": disk.address[2] if disk.address else "",
                    "lun": disk.address[3] if disk.address else "",
                    "hba": f"host{disk.address[0]}" if disk.address else "",
                },
            )
            for disk in disks
        ),
    )


def sr_list(srs: Iterable[Mapping[str, object]]) -> str:
    """`<SRlist>`: the SRs that are there; each with UUID, Devlist, size."""
    return document("SRlist", (element("SR", sr) for sr in srs))
