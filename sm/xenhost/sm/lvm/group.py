"""A volume group: its logical volumes, and the commands that make, change and remove them."""

from collections.abc import Iterable

from xenhost.sm.lvm import names, report
from xenhost.sm.lvm.report import Group, Volume
from xenhost.sm.lvm.tool import Lvm, LvmError, VolumeMissing


class VolumeGroup:
    """The volume group of an SR. Every change is one commit of LVM's metadata: it happened, or it did not."""

    def __init__(self, name: str, lvm: Lvm, mapper: str = names.MAPPER) -> None:
        self.name = name
        self.lvm = lvm
        self._mapper = mapper

    def path(self, volume: str) -> str:
        """The device of an active volume."""
        return names.device_path(self.name, volume, self._mapper)

    async def info(self) -> Group | None:
        """The group; None: not on these devices. Raises LvmError, BadReport."""
        rows = report.groups(
            await self.lvm.report("vgs", report.GROUP_FIELDS, "--foreign", "-S", f"vg_name={self.name}")
        )
        return rows[0] if rows else None

    async def volumes(self) -> tuple[Volume, ...]:
        """All volumes."""
        return report.volumes(await self.lvm.report("lvs", report.VOLUME_FIELDS, self.name))

    async def volume(self, name: str) -> Volume:
        """One volume. Raises VolumeMissing."""
        rows = report.volumes(await self.lvm.report("lvs", report.VOLUME_FIELDS, f"{self.name}/{name}"))
        if not rows:
            raise VolumeMissing(f"there is no volume {name}")
        return rows[0]

    async def create_thin(self, name: str, size: int, tags: Iterable[str]) -> None:
        """A thin volume: all zeros, no space."""
        await self._change(
            *("lvcreate", "-y", "-an", "-kn", "-V", f"{size}b", "-T", f"{self.name}/{names.POOL}"),
            *("-n", name, *_added(tags)),
        )

    async def create_plain(self, name: str, size: int, tags: Iterable[str]) -> None:
        """A plain volume, with whatever was on the disk there."""
        await self._change(
            "lvcreate", "-y", "-an", "-kn", "-Wn", "-Zn", "-L", f"{size}b", "-n", name, *_added(tags), self.name
        )

    async def snapshot(self, name: str, origin: str, tags: Iterable[str]) -> None:
        """A thin volume with the content of another one of this instant."""
        origin_path = f"{self.name}/{origin}"
        await self._change("lvcreate", "-y", "-an", "-kn", "-s", "-n", name, *_added(tags), origin_path)

    async def remove(self, name: str) -> None:
        """Remove a volume that nobody has open. No-op if it is gone."""
        try:
            await self._change("lvremove", "-y", f"{self.name}/{name}")
        except VolumeMissing:
            return

    async def retag(self, name: str, old: Iterable[str], new: Iterable[str]) -> None:
        """Exchange tags of a volume."""
        gone, added = set(old) - set(new), set(new) - set(old)
        if gone or added:
            options = [word for tag in sorted(gone) for word in ("--deltag", tag)]
            await self._change("lvchange", *options, *_added(sorted(added)), f"{self.name}/{name}")

    async def retag_group(self, old: Iterable[str], new: Iterable[str]) -> None:
        """Exchange tags of the group."""
        gone, added = set(old) - set(new), set(new) - set(old)
        if gone or added:
            options = [word for tag in sorted(gone) for word in ("--deltag", tag)]
            await self._change("vgchange", *options, *_added(sorted(added)), self.name)

    async def extend(self, name: str, size: int) -> None:
        """Make a volume bigger, active or not."""
        await self._change("lvextend", "-y", "-L", f"{size}b", f"{self.name}/{name}")

    async def extend_metadata(self, size: int) -> None:
        """Make room for metadata of the pool."""
        await self._change("lvextend", "-y", "--poolmetadatasize", f"+{size}b", f"{self.name}/{names.POOL}")

    async def activate(self, name: str) -> None:
        """Make its device appear. No-op if it is there."""
        await self._change("lvchange", "-ay", "-K", f"{self.name}/{name}")

    async def deactivate(self, name: str) -> None:
        """Make its device go. Raises VolumeInUse."""
        await self._change("lvchange", "-an", f"{self.name}/{name}")

    async def resume(self) -> tuple[str, ...]:
        """Resume devices that a killed LVM left suspended: whoever uses them waits for ever. Answers their names."""
        listed = await self.lvm.dm("info", "-c", "--noheadings", "--separator", " ", "-o", "name,suspended")
        prefix = names.mapper_name(self.name, "")
        suspended = [
            row.split(" ")[0] for row in listed.splitlines() if row.startswith(prefix) and row.endswith(" Suspended")
        ]
        suspended.sort(key=lambda name: (not name.startswith(prefix + names.POOL), -len(name)))
        for name in suspended:
            await self.lvm.dm("resume", name)
        return tuple(suspended)

    async def _change(self, *argv: str) -> None:
        try:
            await self.lvm.write(*argv)
        except LvmError:
            await self.resume()
            raise


def _added(tags: Iterable[str]) -> list[str]:
    return [word for tag in tags for word in ("--addtag", tag)]
