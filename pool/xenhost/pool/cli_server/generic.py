"""`<class>-list` and `<class>-param-get, -set, -list, -add, -remove, -clear`, for every class, from the model."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import Ref, Value
from xenhost.pool.cli_server import words
from xenhost.pool.cli_server.arguments import CliError, to_bool
from xenhost.pool.cli_server.fields import Shown, find_field, shown_fields
from xenhost.pool.cli_server.shell import RECORDS, Shell
from xenhost.pool.schema.types import EnumOf, MapOf, RefTo, Scalar, SetOf

_NOT_FILTERS: Final = frozenset({"params", "database", "topic", "multiple"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What xe calls a class, what of it a list shows, and which of its objects."""

    cls: str
    columns: tuple[str, ...]
    only: Mapping[str, str]


def _kind(cls: str, columns: str, **only: str) -> Kind:
    return Kind(cls, tuple(columns.split()), {name.replace("_", "-"): value for name, value in only.items()})


_NAMES: Final = "uuid name-label name-description"
KINDS: Final[Mapping[str, Kind]] = {
    "vm": _kind("VM", "uuid name-label power-state", is_a_template="false", is_a_snapshot="false"),
    "template": _kind("VM", _NAMES, is_a_template="true", is_a_snapshot="false"),
    "snapshot": _kind("VM", f"{_NAMES} snapshot-of snapshot-time", is_a_snapshot="true"),
    "host": _kind("host", _NAMES),
    "pool": _kind("pool", f"{_NAMES} master default-SR"),
    "sr": _kind("SR", f"{_NAMES} type content-type"),
    "vdi": _kind("VDI", f"{_NAMES} sr-uuid virtual-size sharable read-only"),
    "vbd": _kind("VBD", "uuid vm-uuid vm-name-label vdi-uuid empty device"),
    "vif": _kind("VIF", "uuid vm-uuid network-uuid device"),
    "pbd": _kind("PBD", "uuid host-uuid sr-uuid device-config currently-attached"),
    "pif": _kind("PIF", "uuid device currently-attached VLAN network-uuid"),
    "network": _kind("network", f"{_NAMES} bridge"),
    "task": _kind("task", f"{_NAMES} status progress"),
    "bond": _kind("Bond", "uuid master slaves"),
    "vlan": _kind("VLAN", "uuid tagged-PIF untagged-PIF tag"),
    "tunnel": _kind("tunnel", "uuid transport-PIF access-PIF"),
    "console": _kind("console", "uuid vm-uuid vm-name-label protocol location"),
    "subject": _kind("subject", "uuid subject-identifier other-config roles"),
    "role": _kind("role", _NAMES),
    "secret": _kind("secret", "uuid"),
    "sm": _kind("SM", "uuid type name-label name-description"),
    "pci": _kind("PCI", "uuid vendor-name device-name pci-id"),
    "appliance": _kind("VM_appliance", _NAMES),
    "message": _kind("message", "uuid name priority timestamp body"),
    "host-cpu": _kind("host_cpu", "uuid number vendor speed modelname"),
    "gpu-group": _kind("GPU_group", _NAMES),
    "pgpu": _kind("PGPU", "uuid"),
    "vgpu": _kind("VGPU", "uuid vm-uuid"),
    "vmss": _kind("VMSS", _NAMES),
    "blob": _kind("blob", "uuid mime-type size"),
}
VERBS: Final = ("list", "param-list", "param-get", "param-set", "param-add", "param-remove", "param-clear")


def split(command: str) -> tuple[Kind, str] | None:
    """The kind and the verb of a generic command."""
    for verb in sorted(VERBS, key=len, reverse=True):
        kind = KINDS.get(command.removesuffix(f"-{verb}"))
        if command.endswith(f"-{verb}") and kind is not None:
            return kind, verb
    return None


async def run(shell: Shell, kind: Kind, verb: str) -> None:
    """Raises ApiError, CliError."""
    if verb == "list":
        await _list(shell, kind)
        return
    ref = await shell.find(kind.cls, shell.args.require("uuid"))
    if verb == "param-list":
        record = await _record(shell, kind, ref)
        fields = shown_fields(shell.database.model.classes[kind.cls])
        await shell.print_records([[(field.title, shell.texts.of(field, record)) for field in fields]])
    elif verb == "param-set":
        await _set(shell, kind, ref)
    else:
        name = shell.args.require("param-name")
        shown = _field(shell, kind, name)
        actions = {"param-get": _get, "param-add": _add, "param-remove": _remove, "param-clear": _clear}
        await actions[verb](shell, kind, ref, shown)


async def _list(shell: Shell, kind: Kind) -> None:
    filters = {name: value for name, value in shell.args.params.items() if name not in _NOT_FILTERS}
    wanted = {**kind.only, **filters}
    fields = _columns(shell, kind)
    records = await shell.matching(kind.cls, wanted)
    rows: list[list[tuple[str, str]]] = []
    for record in records.values():
        rows.append([(field.title, shell.texts.of(field, record)) for field in fields])
        if len(rows) % RECORDS == 0:
            await asyncio.sleep(0)
    await shell.print_records(rows)


def _columns(shell: Shell, kind: Kind) -> Sequence[Shown]:
    text = shell.args.params.get("params", "")
    if text == "all":
        return shown_fields(shell.database.model.classes[kind.cls])
    names = [name.strip() for name in text.split(",") if name.strip()] or kind.columns
    return [_field(shell, kind, name) for name in names]


async def _get(shell: Shell, kind: Kind, ref: Ref, shown: Shown) -> None:
    record = await _record(shell, kind, ref)
    key = shell.args.params.get("param-key")
    value = record.get(shown.field.name)
    if key is None:
        await shell.print(shell.texts.of(shown, record))
    elif not isinstance(value, Mapping):
        raise CliError(f"Error: {shown.name} is no map")
    elif key not in value:
        raise CliError(f"Error: Key {key} not found in map")
    else:
        await shell.print(shell.texts.text(value[key]))


async def _set(shell: Shell, kind: Kind, ref: Ref) -> None:
    for name, text in shell.args.params.items():
        if name in ("uuid", "topic"):
            continue
        plain, colon, key = name.partition(":")
        shown = _field(shell, kind, plain)
        field = shown.field.name
        if colon:
            await shell.call(f"{kind.cls}.remove_from_{field}", ref, key)
            await shell.call(f"{kind.cls}.add_to_{field}", ref, key, text)
        else:
            await shell.call(f"{kind.cls}.set_{field}", ref, await _value(shell, shown, text))


async def _add(shell: Shell, kind: Kind, ref: Ref, shown: Shown) -> None:
    field = shown.field.name
    if isinstance(shown.field.type, SetOf):
        await shell.call(f"{kind.cls}.add_{field}", ref, shell.args.require("param-key"))
        return
    if not isinstance(shown.field.type, MapOf):
        raise CliError(f"Error: {shown.name} is neither a set nor a map")
    keys = {k: v for k, v in shell.args.params.items() if k not in ("uuid", "param-name", "param-key", "topic")}
    for key, text in keys.items():
        await shell.call(f"{kind.cls}.add_to_{field}", ref, key, text)


async def _remove(shell: Shell, kind: Kind, ref: Ref, shown: Shown) -> None:
    verb = "remove" if isinstance(shown.field.type, SetOf) else "remove_from"
    await shell.call(f"{kind.cls}.{verb}_{shown.field.name}", ref, shell.args.require("param-key"))


async def _clear(shell: Shell, kind: Kind, ref: Ref, shown: Shown) -> None:
    empty: Value = {} if isinstance(shown.field.type, MapOf) else []
    if not isinstance(shown.field.type, MapOf | SetOf):
        empty = "OpaqueRef:NULL" if isinstance(shown.field.type, RefTo) else ""
    await shell.call(f"{kind.cls}.set_{shown.field.name}", ref, empty)


async def _value(shell: Shell, shown: Shown, text: str) -> Value:
    match shown.field.type:
        case Scalar.BOOL:
            return to_bool(shown.name, text)
        case EnumOf(enum):
            return words.meant(enum, text)
        case RefTo(cls):
            return await shell.find(cls, text) if text else "OpaqueRef:NULL"
        case SetOf():
            return [word.strip() for word in text.split(",") if word.strip()]
        case MapOf():
            raise CliError(f"Error: {shown.name} is a map; set {shown.name}:KEY=VALUE")
    return text


async def _record(shell: Shell, kind: Kind, ref: Ref) -> Mapping[str, Value]:
    found = await shell.call(f"{kind.cls}.get_record", ref)
    assert isinstance(found, Mapping)
    return found


def _field(shell: Shell, kind: Kind, name: str) -> Shown:
    found = find_field(shell.database.model.classes[kind.cls], name)
    if found is None:
        raise CliError(f"Error: {kind.cls} has no field {name!r:.60}")
    return found
