"""Calling the scripts of one plugin."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

import xenhost.sm
from xenhost.core.errors import XenhostError
from xenhost.core.storage_errors import SrOperationNotSupported
from xenhost.sm.command import CommandError, Commands, Result
from xenhost.sm.smapiv3.failures import MAX_TEXT, Subject, from_report, printable, process_failure
from xenhost.sm.smapiv3.scripts import Scripts

Json = object
"""Anything that JSON can hold; untrusted until `values` has read it."""
_SECONDS: Final[Mapping[str, float]] = {
    "Plugin.Query": 20.0,
    "SR.attach": 240.0,
    "SR.create": 600.0,
    "SR.destroy": 600.0,
    "SR.stat": 60.0,
    "SR.ls": 120.0,
    "Volume.destroy": 600.0,
    "Volume.data_destroy": 600.0,
}
_DEFAULT_SECONDS: Final = 120.0
_AT_ONCE: Final = 8
_PARENT: Final = str(Path(next(iter(xenhost.sm.__path__))).parents[1])
"""Where a plugin finds `xenhost.sm.sdk`."""


class Plugin:
    """A folder of scripts. Not more than a few of them run at once."""

    def __init__(
        self, folder: Path, commands: Commands, log: structlog.typing.FilteringBoundLogger, timeout_factor: float = 1.0
    ) -> None:
        self.folder = folder
        self._commands = commands
        self._log = log.bind(plugin=folder.name)
        self._factor = timeout_factor
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._scripts: Scripts | None = None

    async def look(self) -> bool:
        """See which scripts there are now; before anything else. Says whether that changed."""
        if self._scripts is None:
            self._scripts = await asyncio.to_thread(Scripts, self.folder)
            return True
        return await asyncio.to_thread(self._scripts.look)

    def has(self, method: str) -> bool:
        """Is there a script for that method?"""
        return self._scripts is not None and method in self._scripts

    async def call(self, method: str, args: Mapping[str, Json], subject: Subject = Subject()) -> Json:  # noqa: B008
        """Run the script of a method, and give back what it answered.

        Raises SrOperationNotSupported if there is none, SrBackendFailure and others for what it failed with.
        """
        script = self._scripts.find(method) if self._scripts is not None else None
        if script is None:
            raise SrOperationNotSupported(f"the plugin {self.folder.name} has no {method}", sr=subject.sr)
        document = json.dumps({"dbg": f"xenhost {method}", **args}).encode()
        seconds = _SECONDS.get(method, _DEFAULT_SECONDS) * self._factor
        async with self._turn:
            try:
                result = await self._commands.run(
                    str(script), "--json", timeout=seconds, stdin=document, env=_environment(), check=False
                )
            except CommandError as error:
                self._log.warning("smapiv3.failed", method=method, problem=str(error))
                raise process_failure(method, str(error), "") from error
        return self._answer(method, result, subject)

    def _answer(self, method: str, result: Result, subject: Subject) -> Json:
        if stderr := result.stderr.decode(errors="replace").strip():
            self._log.info("smapiv3.stderr", method=method, text=printable(stderr[-2000:]))
        try:
            answer: Json = json.loads(result.stdout)
        except (ValueError, RecursionError):
            ended = f"signal {-result.status}" if result.status < 0 else f"exit status {result.status}"
            detail = (stderr or result.text())[-MAX_TEXT:]
            raise process_failure(method, f"{ended}, and no JSON on standard output", detail) from None
        if result.status == 0:
            return answer
        raise self._failure(method, answer, stderr, subject)

    def _failure(self, method: str, untrusted: Json, stderr: str, subject: Subject) -> XenhostError:
        if not isinstance(untrusted, dict) or not isinstance(code := untrusted.get("code"), str):
            return process_failure(method, "it failed without a code", stderr[-MAX_TEXT:] or str(untrusted)[:MAX_TEXT])
        params = untrusted.get("params")
        texts = [str(each) for each in params[:32]] if isinstance(params, list) else []
        detail = stderr or json.dumps(untrusted.get("backtrace", ""))
        return from_report(method, code, texts, detail[-MAX_TEXT:], subject)


def _environment() -> Mapping[str, str]:
    """Programs of the system are found, and our SDK is."""
    inherited = os.environ.get("PYTHONPATH", "")
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{_PARENT}:{inherited}" if inherited else _PARENT,
    }
