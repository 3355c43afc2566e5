"""Commands of xe that move a file: the client is told to get or put it over HTTP, and a task says what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Final
from urllib.parse import urlencode
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.cli_server import protocol
from xenhost.pool.cli_server.arguments import CliError, to_bool
from xenhost.pool.cli_server.shell import Shell

WAIT_SECONDS: Final = 30.0
FAILED_SECONDS: Final = 10.0
"""How long the task may take to end when the client says that it could not go on."""
_RUNNING: Final = frozenset({"pending", "cancelling"})
_COMPRESSIONS: Final = frozenset({"true", "gzip", "zstd", "false"})


async def vm_export(shell: Shell) -> None:
    """`vm-export`: each VM into a file; of several, the second gets a 2 behind its name. Raises ApiError, CliError."""
    filename, numbers = shell.args.require("filename"), count(1)
    for vm in await shell.selected_vms():
        number = next(numbers)
        await _export(shell, vm, filename if number == 1 else f"{filename}{number}")


async def template_export(shell: Shell) -> None:
    """`template-export`. Raises ApiError, CliError."""
    await _export(shell, await _of_kind(shell, "template"), shell.args.require("filename"))


async def snapshot_export(shell: Shell) -> None:
    """`snapshot-export-to-template`. Raises ApiError, CliError."""
    await _export(shell, await _of_kind(shell, "snapshot"), shell.args.require("filename"))


async def vm_import(shell: Shell) -> None:
    """`vm-import`: from a file, or from a web server. Raises ApiError, CliError."""
    params = shell.args.params
    restore, force = _flag(shell, "preserve"), _flag(shell, "force")
    sr = await shell.find("SR", params["sr-uuid"]) if "sr-uuid" in params else await _default_sr(shell)
    if "url" in params:
        if "filename" in params:
            raise CliError("Invalid arguments. The 'url' and 'filename' parameters should not both be specified.")
        vms = await shell.call("VM.import", params["url"], sr, restore == "true", force == "true")
        assert isinstance(vms, tuple)
        await _print_uuids(shell, [Ref(str(vm)) for vm in vms])
        return
    metadata, dry_run = _flag(shell, "metadata"), _flag(shell, "dry-run")
    if dry_run == "true" and metadata != "true":
        raise CliError("Only metadata import function support dry-run")
    query = {"restore": restore, "force": force, "dry_run": dry_run, "sr_id": sr}
    query |= {f"vdi:{old}": new for old, new in shell.args.keyed("vdi").items()}
    path = "/import_metadata" if metadata == "true" else "/import"
    result = await _transfer(shell, "VM import", protocol.send, shell.args.require("filename"), path, query)
    await _print_uuids(shell, _refs(result))


async def _export(shell: Shell, vm: Ref, filename: str) -> None:
    compress = shell.args.params.get("compress", "false")
    if compress not in _COMPRESSIONS:
        raise CliError(f"Error: compress is one of {', '.join(sorted(_COMPRESSIONS))}, not {compress!r:.40}")
    query = {
        "ref": vm,
        "use_compression": compress,
        "preserve_power_state": _flag(shell, "preserve-power-state"),
        "export_snapshots": _flag(shell, "include-snapshots"),
    }
    path = "/export"
    if _flag(shell, "metadata") == "true":
        path = "/export_metadata"
        query["excluded_device_types"] = shell.args.params.get("excluded-device-types", "")
    await _transfer(shell, "Export of VM", protocol.fetch, filename, path, query)
    if filename:
        await shell.print("Export succeeded")


async def _transfer(
    shell: Shell, label: str, command: Callable[[str, str], bytes], filename: str, path: str, query: Mapping[str, str]
) -> str:
    """What the task's result is. Raises ApiError, CliError."""
    task = await shell.call("task.create", label, "")
    try:
        words = urlencode({"session_id": shell.session.ref, "task_id": str(task), **query}, safe=":")
        is_good = await shell.answered(command(filename, f"{path}?{words}"))
        await _ended(shell, task, None if is_good else FAILED_SECONDS)
        match await shell.call("task.get_status", task):
            case "success" if is_good:
                return str(await shell.call("task.get_result", task))
            case "failure":
                info = await shell.call("task.get_error_info", task)
                assert isinstance(info, tuple)
                raise ApiError(*(str(each) for each in info))
            case "cancelled":
                raise CliError(f"{label} cancelled")
        raise CliError(f"{label} failed: the file could not be moved")
    finally:
        await shell.call("task.destroy", task)


async def _ended(shell: Shell, task: Value, seconds: float | None) -> None:
    """Wait for it; after `seconds` it is cancelled: nobody may ever have begun."""
    try:
        async with asyncio.timeout(seconds):
            token: Value = ""
            while await shell.call("task.get_status", task) in _RUNNING:
                batch = await shell.call("event.from", [f"task/{task}"], token, WAIT_SECONDS)
                assert isinstance(batch, dict)
                token = batch["token"]
    except TimeoutError:
        await shell.call("task.cancel", task)


async def _of_kind(shell: Shell, kind: str) -> Ref:
    vm = await shell.find("VM", shell.args.require(f"{kind}-uuid"))
    if not await shell.call(f"VM.get_is_a_{kind}", vm):
        raise CliError(f"This operation can only be performed on a VM {kind}.")
    return vm


async def _default_sr(shell: Shell) -> Ref:
    pools = await shell.call("pool.get_all")
    assert isinstance(pools, tuple)
    sr = Ref(str(await shell.call("pool.get_default_SR", pools[0])))
    if shell.database.find("SR", sr) is None:
        raise CliError("No SR specified and Pool default SR is null")
    return sr


async def _print_uuids(shell: Shell, vms: list[Ref]) -> None:
    await shell.print(",".join([str(await shell.call("VM.get_uuid", vm)) for vm in vms]))


def _flag(shell: Shell, name: str) -> str:
    return "true" if to_bool(name, shell.args.params.get(name, "false")) else "false"


def _refs(result: str) -> list[Ref]:
    """Of a task's result, which is a set of references."""
    try:
        return [Ref(each.text or "") for each in fromstring(result).iterfind("array/data/value")]
    except ParseError:
        return []


Transfer = Callable[[Shell], Awaitable[None]]
TRANSFERS: Final[Mapping[str, tuple[Transfer, str]]] = {
    "vm-export": (
        vm_export,
        "<vm-selectors> filename= [compress=gzip|zstd] [metadata=] [include-snapshots=] [preserve-power-state=]",
    ),
    "template-export": (template_export, "template-uuid= filename= [compress=gzip|zstd]"),
    "snapshot-export-to-template": (snapshot_export, "snapshot-uuid= filename= [compress=gzip|zstd]"),
    "vm-import": (vm_import, "filename=|url= [sr-uuid=] [preserve=] [force=] [metadata=] [dry-run=] [vdi:UUID=UUID]"),
}
