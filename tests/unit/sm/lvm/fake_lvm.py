"""A stand-in for LVM, device-mapper and the thin tools: volume groups in memory, active volumes as files.

It knows the commands and options that the driver uses, and no others. `write` is what a guest does; blocks are shared
and copied as the kernel does it, with times.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xenhost.core.units import KIB, MIB
from xenhost.sm.command import CommandError, Commands, Result
from xenhost.sm.lvm.names import mapper_name

EXTENT = 4 * MIB
CHUNK = 64 * KIB


class Killed(BaseException):
    """The agent is killed."""


@dataclass
class FakeVolume:
    size: int
    tags: set[str]
    pool: str = ""
    thin_id: int = 0
    active: bool = False
    chunks: dict[int, tuple[int, int]] = field(default_factory=dict)
    snapped: int = 0


@dataclass
class FakeGroup:
    tags: set[str]
    owner: str
    volumes: dict[str, FakeVolume] = field(default_factory=dict)
    time: int = 0
    blocks: int = 0
    thin_ids: int = 0
    held: bool = False


class FakeLvm(Commands):
    """Runs them. With `lives` set, dies before it runs so many that change something."""

    def __init__(self, mapper: Path, size: int = 1 << 30) -> None:
        self.groups: dict[str, FakeGroup] = {}
        self.lives: int | None = None
        self.changes = 0
        self._mapper = mapper
        self._size = size

    def write(self, volume: str, *chunks: int) -> None:
        """A guest writes these."""
        for group in self.groups.values():
            if (each := group.volumes.get(volume)) is not None:
                for chunk in chunks:
                    old = each.chunks.get(chunk)
                    if old is None or each.snapped > old[1]:
                        group.blocks += 1
                        each.chunks[chunk] = (group.blocks, group.time)

    async def run(
        self, *argv: str, on_output: Callable[[bytes], None] | None = None, check: bool = True, **_: object
    ) -> Result:
        verb, words = argv[0], list(argv[1:])
        if verb in ("lvcreate", "lvremove", "lvchange", "lvextend", "vgcreate", "vgchange", "vgremove"):
            if self.lives is not None and self.lives <= self.changes:
                raise Killed
            self.changes += 1
        if words[:1] == ["--config"]:
            owner = words[1].split('system_id="')[1].split('"')[0]
            words = words[5:]
        else:
            owner = ""
        try:
            out = getattr(self, f"_{verb}")(words, owner)
        except KeyError as missing:
            return self._failed(f"Failed to find logical volume {missing}", check)
        except FileExistsError as error:
            return self._failed(f'Logical Volume "{error}" already exists in volume group "x"', check)
        if on_output is not None:
            on_output(out.encode())
        return Result(0, out.encode(), b"")

    def _failed(self, text: str, check: bool) -> Result:
        result = Result(5, b"", text.encode())
        if check:
            raise CommandError(text, result)
        return result

    def _find(self, path: str) -> tuple[FakeGroup, FakeVolume, str]:
        group, _, volume = path.partition("/")
        return self.groups[group], self.groups[group].volumes[volume], mapper_name(group, volume)

    def _used(self, group: FakeGroup) -> int:
        return sum(each.size for each in group.volumes.values() if not each.pool)

    def _vgs(self, words: list[str], owner: str) -> str:
        only = words[words.index("-S") + 1].removeprefix("vg_name=") if "-S" in words else None
        rows = [
            {
                "vg_name": name,
                "vg_uuid": "u",
                "vg_size": str(self._size),
                "vg_free": str(self._size - self._used(group)),
                "vg_extent_size": str(EXTENT),
                "vg_tags": ",".join(group.tags),
                "vg_systemid": group.owner,
                "vg_missing_pv_count": "0",
            }
            for name, group in self.groups.items()
            if only in (None, name)
        ]
        return json.dumps({"report": [{"vg": rows}]})

    def _lvs(self, words: list[str], owner: str) -> str:
        name, _, volume = words[-1].partition("/")
        group = self.groups[name]
        chosen: Mapping[str, FakeVolume] = {volume: group.volumes[volume]} if volume else group.volumes
        rows = [
            {
                "lv_name": key,
                "lv_size": str(each.size),
                "lv_active": "active" if each.active else "",
                "lv_tags": ",".join(each.tags),
                "pool_lv": each.pool,
                "thin_id": str(each.thin_id) if each.pool else "",
                "chunk_size": str(CHUNK) if key == "pool" else "0",
            }
            for key, each in chosen.items()
        ]
        return json.dumps({"report": [{"lv": rows}]})

    def _vgcreate(self, words: list[str], owner: str) -> str:
        self.groups[words[-2]] = FakeGroup(_tags(words, "--addtag"), words[words.index("--systemid") + 1])
        return ""

    def _vgchange(self, words: list[str], owner: str) -> str:
        group = self.groups[words[-1]]
        group.tags = (group.tags - _tags(words, "--deltag")) | _tags(words, "--addtag")
        return ""

    def _vgremove(self, words: list[str], owner: str) -> str:
        del self.groups[words[-1]]
        return ""

    def _pvremove(self, words: list[str], owner: str) -> str:
        return ""

    def _blkid(self, words: list[str], owner: str) -> str:
        return ""

    def _lvcreate(self, words: list[str], owner: str) -> str:
        name = words[words.index("-n") + 1]
        origin = self._find(words[-1])[1] if "-s" in words else None
        group = self.groups[(words[words.index("-T") + 1] if "-T" in words else words[-1]).partition("/")[0]]
        if name in group.volumes:
            raise FileExistsError(name)
        size = words[words.index("-V" if "-V" in words else "-L") + 1] if origin is None else f"{origin.size}b"
        made = FakeVolume(int(size.removesuffix("b")), _tags(words, "--addtag"))
        assert made.size % EXTENT == 0
        if origin is not None or "-T" in words:
            group.thin_ids += 1
            made.pool, made.thin_id = "pool", group.thin_ids
        if origin is not None:
            group.time += 1
            origin.snapped = made.snapped = group.time
            made.chunks = dict(origin.chunks)
        group.volumes[name] = made
        return ""

    def _lvremove(self, words: list[str], owner: str) -> str:
        group, _, path = self._find(words[-1])
        del group.volumes[words[-1].partition("/")[2]]
        (self._mapper / path).unlink(missing_ok=True)
        return ""

    def _lvchange(self, words: list[str], owner: str) -> str:
        _, volume, path = self._find(words[-1])
        volume.tags = (volume.tags - _tags(words, "--deltag")) | _tags(words, "--addtag")
        if "-ay" in words:
            volume.active = True
            (self._mapper / path).touch()
        if "-an" in words:
            volume.active = False
        return ""

    def _lvextend(self, words: list[str], owner: str) -> str:
        volume = self._find(words[-1])[1]
        volume.size = int(words[words.index("-L") + 1].removesuffix("b"))
        return ""

    def _dmsetup(self, words: list[str], owner: str) -> str:
        (group,) = self.groups.values() or (FakeGroup(set(), ""),)
        if words[0] == "message":
            assert group.held is (words[-1] == "release_metadata_snap")
            group.held = not group.held
        if words[0] != "status":
            return ""
        size = group.volumes["pool"].size // CHUNK
        return f"0 1 thin-pool 1 10/1000 {group.blocks}/{size} {'7' if group.held else '-'} rw x y - 1024"

    def _thin_ls(self, words: list[str], owner: str) -> str:
        (group,) = self.groups.values()
        assert group.held
        return "".join(f"{each.thin_id} {len(each.chunks)}\n" for each in group.volumes.values() if each.pool)

    def _thin_dump(self, words: list[str], owner: str) -> str:
        (group,) = self.groups.values()
        assert group.held
        wanted = int(words[words.index("--dev-id") + 1])
        (volume,) = [each for each in group.volumes.values() if each.thin_id == wanted]
        runs = "".join(
            f'<single_mapping origin_block="{at}" data_block="{block}" time="{time}"/>'
            for at, (block, time) in sorted(volume.chunks.items())
        )
        return f'<superblock data_block_size="128"><device dev_id="{wanted}">{runs}</device></superblock>'


def _tags(words: list[str], option: str) -> set[str]:
    return {words[index + 1] for index, word in enumerate(words) if word == option}
