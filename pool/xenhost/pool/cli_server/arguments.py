"""What was typed: `xe vm-start vm=name --force`, one argument a line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_ARGUMENTS: Final = 500
_SIZE: Final = re.compile(r"([0-9]{1,19}) *([KMGT]iB|[KMGT]?B?)?")
_UNITS: Final[Mapping[str, int]] = {"": 1, "B": 1, **{f"{unit}iB": 1 << 10 * n for n, unit in enumerate("KMGT", 1)}}


class CliError(Exception):
    """What the user did wrong; printed to him."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command and its parameters; flags are parameters that are `true`."""

    session: str
    """A reference, instead of a user and a password."""
    command: str
    user: str
    password: str
    minimal: bool
    params: Mapping[str, str]

    def require(self, name: str) -> str:
        """Raises CliError."""
        if name not in self.params:
            raise CliError(f"Required parameter not found: {name}")
        return self.params[name]

    def flag(self, name: str) -> bool:
        """Raises CliError."""
        return to_bool(name, self.params.get(name, "false"))

    def keyed(self, name: str) -> Mapping[str, str]:
        """Values of `name:key=value`, by key."""
        prefix = f"{name}:"
        return {key.removeprefix(prefix): value for key, value in self.params.items() if key.startswith(prefix)}


def parse(untrusted: bytes) -> Arguments:
    """Raises CliError."""
    lines = [line.removesuffix("\r") for line in untrusted.decode(errors="replace").split("\n")]
    if len(lines) > MAX_ARGUMENTS:
        raise CliError(f"Syntax error: more than {MAX_ARGUMENTS} arguments")
    session = ""
    if lines and lines[0].startswith("session_id="):
        session = lines.pop(0).partition("=")[2]
    command, params = "", dict[str, str]()
    for line in lines:
        name, equals, value = line.partition("=")
        if line.startswith("--"):
            params[name.removeprefix("--")] = value if equals else "true"
        elif equals:
            params[name] = value
        elif not command:
            command = line
        elif line:
            params.setdefault("topic", line)
    user, password = params.pop("username", ""), params.pop("password", "")
    minimal = to_bool("minimal", params.pop("minimal", "false"))
    return Arguments(session, command or "help", user, password, minimal, params)


def to_bool(name: str, text: str) -> bool:
    """Raises CliError."""
    if text.lower() in ("true", "t", "yes", "y", "1"):
        return True
    if text.lower() in ("false", "f", "no", "n", "0"):
        return False
    raise CliError(f"Error: {name} is true or false, not {text!r:.60}")


def to_bytes(name: str, text: str) -> int:
    """A size such as `1024`, `512MiB`, `10GiB`. Raises CliError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[2] or "") not in _UNITS:
        raise CliError(f"Error: {name} is a size such as 10GiB, not {text!r:.60}")
    return int(found[1]) * _UNITS[found[2] or ""]
