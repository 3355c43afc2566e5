"""QEMU's machine protocol, as much as the bed needs of it."""

import json
import socket
import time
from pathlib import Path
from typing import Any

from bed.report import BedError


class Monitor:
    """One QMP connection. Blocking, with a deadline on each command."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def command(self, line: str, timeout: float) -> str:
        """Run a human monitor command; its output. Raises BedError where QEMU reports an error."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            deadline = time.monotonic() + timeout
            try:
                connection.connect(str(self._path))
                stream = connection.makefile("rw")
                stream.readline()  # the greeting
                self._execute(stream, deadline, "qmp_capabilities", {})
                output = self._execute(stream, deadline, "human-monitor-command", {"command-line": line})
            except OSError as error:
                raise BedError(f"QEMU did not answer `{line}` on {self._path}: {error}") from error
        text = str(output)
        if "Error" in text:
            raise BedError(f"QEMU: {line}: {text.strip()}")
        return text

    def _execute(self, stream: Any, deadline: float, name: str, arguments: dict[str, str]) -> object:
        stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        stream.flush()
        while time.monotonic() < deadline:
            line = stream.readline()
            if not line:
                raise BedError(f"QEMU closed its monitor during {name}")
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise BedError(f"QEMU: {name}: {answer['error']['desc']}")
        raise BedError(f"QEMU did not finish {name} in time")
