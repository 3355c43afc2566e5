"""A VM described in a TOML file, for `xenhost vm create --from`. Unknown keys are errors."""

import tomllib
from pathlib import Path
from typing import Any

import click

from xenhost.agent.cli.parse import CPUS, DISK, NIC, SIZE, DiskArg, NicArg, Parsed
from xenhost.agent.cli.vm_args import VmArgs

EXAMPLE = """\
name = "web1"
type = "pvh"                       # pv, pvh or hvm
memory = "1G"                      # or a table: static_max, dynamic_max, dynamic_min
vcpus = 2                          # or a table: maximum, at_startup, affinity = ["0-3"], weight, cap
disks = ["/srv/web1.img", "vdi:web1-data,iops=500", "/srv/tools.iso,cd"]
nics = ["bridge=xenbr0"]
[boot]                             # or bootloader = true, bootloader_args = [..]; or order = "cd" (hvm)
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd.img"
cmdline = "root=/dev/xvda ro"
"""


def read_vm_file(path: str) -> VmArgs:
    """What the file says. Raises click.UsageError that names the key."""
    try:
        table = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from None
    return _Reader(path).vm(table)


class _Reader:
    """Checks values key by key."""

    def __init__(self, path: str) -> None:
        self._path = path

    def vm(self, table: dict[str, Any]) -> VmArgs:
        args = VmArgs()
        for key, value in table.items():
            match key:
                case "name" | "type" | "id" | "after_shutdown" | "after_reboot" | "after_crash":
                    setattr(args, key, self._text(key, value))
                case "memory":
                    self._memory(args, value)
                case "vcpus":
                    self._vcpus(args, value)
                case "boot":
                    self._boot(args, self._table(key, value))
                case "platform" | "xenstore_data":
                    pairs = self._table(key, value)
                    setattr(args, key, {name: self._text(f"{key}.{name}", each) for name, each in pairs.items()})
                case "disks":
                    args.disks = [self._disk(each) for each in self._list(key, value)]
                case "nics":
                    args.nics = [self._nic(each) for each in self._list(key, value)]
                case _:
                    raise self._error(key, "is not a key of a VM")
        return args

    def _memory(self, args: VmArgs, value: Any) -> None:
        if not isinstance(value, dict):
            args.memory = self._parsed("memory", SIZE, value)
            return
        for key, size in value.items():
            if key not in {"static_max", "dynamic_max", "dynamic_min"}:
                raise self._error(f"memory.{key}", "is not static_max, dynamic_max or dynamic_min")
            setattr(args, f"memory_{key}", self._parsed(f"memory.{key}", SIZE, size))

    def _vcpus(self, args: VmArgs, value: Any) -> None:
        if not isinstance(value, dict):
            args.vcpus = self._number("vcpus", value)
            return
        for key, each in value.items():
            match key:
                case "maximum":
                    args.vcpus = self._number("vcpus.maximum", each)
                case "at_startup":
                    args.vcpus_at_startup = self._number("vcpus.at_startup", each)
                case "weight" | "cap":
                    setattr(args, key, self._number(f"vcpus.{key}", each))
                case "affinity":
                    args.affinity = [self._parsed("vcpus.affinity", CPUS, cpus) for cpus in self._list(key, each)]
                case _:
                    raise self._error(f"vcpus.{key}", "is not maximum, at_startup, weight, cap or affinity")

    def _boot(self, args: VmArgs, table: dict[str, Any]) -> None:
        for key, value in table.items():
            match key:
                case "kernel" | "ramdisk" | "cmdline":
                    setattr(args, key, self._text(f"boot.{key}", value))
                case "order":
                    args.boot_order = self._text("boot.order", value)
                case "bootloader":
                    if not isinstance(value, bool):
                        raise self._error("boot.bootloader", "must be true or false")
                    args.bootloader = value
                case "bootloader_args":
                    args.bootloader_args = [self._text("boot.bootloader_args", each) for each in self._list(key, value)]
                case _:
                    raise self._error(f"boot.{key}", "is not a key of [boot]")

    def _disk(self, value: Any) -> DiskArg:
        if isinstance(value, str):
            disk: DiskArg = self._parsed("disks", DISK, value)
            return disk
        table = self._table("disks", value)
        unknown = set(table) - {"path", "device", "read_only", "cd", "kind", "iops", "rate"}
        if unknown:
            raise self._error(f"disks.{min(unknown)}", "is not path, device, read_only, cd, kind, iops or rate")
        return DiskArg(
            self._text("disks.path", table.get("path", "")),
            self._text("disks.device", table.get("device", "")),
            table.get("read_only"),
            bool(table.get("cd", False)),
            self._text("disks.kind", table.get("kind", "")),
            self._number("disks.iops", table.get("iops", 0)),
            self._parsed("disks.rate", SIZE, table.get("rate", 0)),
        )

    def _nic(self, value: Any) -> NicArg:
        nic: NicArg = self._parsed("nics", NIC, value)
        return nic

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._error(key, "must be text in quotes")
        return value

    def _number(self, key: str, value: Any) -> int:
        if type(value) is not int:
            raise self._error(key, "must be a whole number")
        return value

    def _list(self, key: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._error(key, "must be a list, in square brackets")
        return value

    def _table(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, "must be a table")
        return value

    def _parsed(self, key: str, kind: Parsed, value: Any) -> Any:
        text = str(value) if type(value) is int else self._text(key, value)
        try:
            return kind.convert(text, None, None)
        except click.BadParameter as error:
            raise self._error(key, error.message) from None

    def _error(self, key: str, problem: str) -> click.UsageError:
        return click.UsageError(f"{self._path}: {key} {problem}")
