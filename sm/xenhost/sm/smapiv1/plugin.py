"""Running a plugin: one process for each command, with a deadline, its answer read or its failure told."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.storage_errors import backend_failure
from xenhost.sm.command import CommandError, Commands, CommandTimeout, Result
from xenhost.sm.smapiv1.failures import MAX_TEXT, Subject, from_fault, printable, process_failure
from xenhost.sm.smapiv1.request import Request
from xenhost.system import xml_tree as tree
from xenhost.system import xmlrpc as codec
from xenhost.system.xmlrpc import Fault, Value

ENVIRONMENT: Final = {"ORIGINATOR": "SM", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_SECONDS: Final[Mapping[str, float]] = {
    "sr_get_driver_info": 30.0,
    "sr_probe": 120.0,
    "sr_content_type": 30.0,
    "sr_scan": 600.0,
    "sr_update": 120.0,
    "vdi_list_changed_blocks": 600.0,
    "vdi_update": 60.0,
}
_DEFAULT_SECONDS: Final = 240.0
"""Longer than the two minutes for which drivers themselves wait for a VDI to become free."""
_LONG: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a plugin said. Untrusted."""

    value: Value | Fault
    stderr: str


class Plugin:
    """An executable that speaks SMAPIv1."""

    def __init__(
        self,
        path: Path,
        host_ref: str,
        commands: Commands,
        log: structlog.typing.FilteringBoundLogger,
        timeout_factor: float = 1.0,
    ) -> None:
        """`timeout_factor` makes all deadlines longer or shorter."""
        self.path = path
        self._host_ref = host_ref
        self._commands = commands
        self._log = log.bind(plugin=path.name)
        self._factor = timeout_factor

    async def call(self, request: Request, subject: Subject) -> Value:
        """Run a command. Raises what its fault stands for, or SrBackendFailure with what happened to the process.

        Cancelled: it is killed with its children.
        """
        answer = await self.ask(request)
        if isinstance(answer.value, Fault):
            raise from_fault(answer.value, answer.stderr[-MAX_TEXT:], subject)
        return answer.value

    async def ask(self, request: Request) -> Answer:
        """Run a command, and take a fault as an answer. Raises SrBackendFailure if there is no answer at all."""
        document = request.document(self._host_ref)
        seconds = _SECONDS.get(request.command, _DEFAULT_SECONDS) * self._factor
        try:
            result = await self._commands.run(
                str(self.path),
                document,
                timeout=seconds,
                env=ENVIRONMENT,
                check=False,
                max_output=tree.MAX_DOCUMENT,
            )
        except CommandTimeout as error:
            told = error.result or Result(0, b"", b"")
            self._heard(request, told)
            raise process_failure(
                f"timeout: no answer to {request.command} within {seconds:g} s", "", _err(told)
            ) from error
        except CommandError as error:
            raise backend_failure(202, f"the plugin of this SR does not start: {error}") from error
        self._heard(request, result)
        return await self._read(result)

    async def _read(self, result: Result) -> Answer:
        stdout, stderr = result.stdout, result.stderr.decode(errors="replace")
        told = printable(stdout[:MAX_TEXT].decode(errors="replace"))
        if result.status < 0:
            raise process_failure(f"received signal: {-result.status}", told, _err(result))
        if result.status > 0:
            raise process_failure("non-zero exit", told, _err(result))
        try:
            if len(stdout) > _LONG:
                value = await asyncio.to_thread(codec.load_response, stdout)
            else:
                value = codec.load_response(stdout)
        except tree.CodecError as error:
            raise process_failure(f"its answer cannot be read: {error}", told, _err(result)) from error
        return Answer(value, stderr)

    def _heard(self, request: Request, result: Result) -> None:
        if result.status or result.stderr:
            self._log.warning(
                "smapiv1.stderr",
                command=request.command,
                sr=request.sr_uuid,
                vdi=request.vdi_uuid,
                status=result.status,
                stderr=result.complaint(),
            )


def _err(result: Result) -> str:
    return result.stderr.decode(errors="replace")[-MAX_TEXT:]
