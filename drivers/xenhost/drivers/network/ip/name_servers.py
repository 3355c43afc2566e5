"""resolv.conf(5): who is asked for names.

A plain file is replaced in one step. If it is a symbolic link, another program of the host has been put in charge of it
(systemd-resolved, resolvconf, openresolv): Debian's way to tell all of them is resolvconf(8), which each brings along,
and the link stays. Without that command, and for a file that NetworkManager writes, there is nothing right to do: it is
a Problem, and the file stays as it is.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xenhost.drivers.network.ip.layout import Host

_HEAD: Final = "# Written by xenhost. Set name servers with it (PIF, DNS), changes in here get lost.\n"
_FOREIGN: Final = re.compile(r"^#.*\bNetworkManager\b", re.MULTILINE)
_PROGRAM: Final = "xenhost"
_LIMIT: Final = 10.0
"""Seconds that resolvconf may take."""
_MAX_FILE: Final = 1 << 16


def resolv_conf(servers: Sequence[Host], search: Sequence[str]) -> str:
    """Text of the file."""
    lines = [f"search {' '.join(search)}\n"] if search else []
    return "".join([_HEAD, *lines, *(f"nameserver {each}\n" for each in servers)])


class NameServers:
    """The file. Blocks: call it in a thread, one call at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._told: dict[str, str] = {}

    def set(self, interface: str, servers: Sequence[Host], search: Sequence[str]) -> str:
        """Make them those of the host; what is wrong, if anything.

        Without any, a file that is ours is emptied, and one of others is left alone.
        """
        text = resolv_conf(servers, search)
        try:
            if self._file.is_symlink():
                return self._tell(interface, text, bool(servers))
            present = self._read()
            if present == text or (not servers and not present.startswith(_HEAD)):
                return ""
            if _FOREIGN.search(present):
                return f"{self._file} belongs to NetworkManager: name servers stay as they are"
            self._write(text)
        except (OSError, subprocess.SubprocessError) as failed:
            return f"{self._file} cannot be written: {failed}"
        return ""

    def _read(self) -> str:
        try:
            with self._file.open(errors="replace") as file:
                return file.read(_MAX_FILE)
        except FileNotFoundError:
            return ""

    def _write(self, text: str) -> None:
        fresh = self._file.with_name(f".{self._file.name}.xenhost")
        with fresh.open("w") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            fresh.replace(self._file)
        except OSError:  # something is mounted on it: then its content is all there is to change
            fresh.unlink()
            self._file.write_text(text)

    def _tell(self, interface: str, text: str, any_servers: bool) -> str:
        wanted = {interface: text} if any_servers else {}
        if wanted == self._told:
            return ""
        command = shutil.which("resolvconf")
        if command is None:
            return f"{self._file} leads to {self._file.readlink()}, and there is no resolvconf command to change that"
        for record in {**self._told, interface: text}:
            what = ("-a", f"{record}.{_PROGRAM}") if record in wanted else ("-d", f"{record}.{_PROGRAM}")
            done = subprocess.run(
                [command, *what],
                input=text,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_LIMIT,
            )
            if done.returncode != 0:
                return f"resolvconf: {done.stderr.strip()[:200]}"
        self._told = wanted
        return ""
