"""A TOML table read key by key: each value typed and bounded, each unknown key an error that says what is near."""

import difflib
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from xenhost.core.config_error import ConfigError

MAX_FILE: Final = 1024 * 1024
MAX_TEXT: Final = 1024
MAX_LIST: Final = 64

E = TypeVar("E", bound=StrEnum)


def load(path: Path, required: bool) -> dict[str, Any]:
    """The contents of a TOML file; nothing if it may be absent and is. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(content) > MAX_FILE:
        raise ConfigError(f"{path}: larger than {MAX_FILE} bytes; is it the right file?")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


class Table:
    """One table. Ask for every key there is, then `finish`."""

    def __init__(self, values: Mapping[str, Any], path: Path, name: str) -> None:
        self._values = values
        self._path = path
        self._name = name
        self._known: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._values)

    def error(self, key: str, problem: str) -> ConfigError:
        """What is wrong with a key, in context."""
        where = f"[{self._name}] {key}" if self._name else key
        return ConfigError(f"{self._path}: {where}: {problem}")

    def table(self, key: str) -> "Table":
        """A table within; empty if absent."""
        value = self._take(key, {}, dict, "a table")
        return Table(value, self._path, f"{self._name}.{key}" if self._name else key)

    def everything(self) -> dict[str, Any]:
        """The whole table, unread: whoever it is for checks it."""
        return dict(self._values)

    def text(self, key: str, default: str) -> str:
        """One printable line."""
        value: str = self._take(key, default, str, "a text in quotes")
        if len(value) > MAX_TEXT or not value.isprintable():
            raise self.error(key, f"must be one line of at most {MAX_TEXT} printable characters")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of printable lines."""
        value = self._take(key, list(default), list, "a list of texts")
        if len(value) > MAX_LIST:
            raise self.error(key, f"has {len(value)} entries; {MAX_LIST} are allowed")
        if not all(isinstance(item, str) and 0 < len(item) <= MAX_TEXT and item.isprintable() for item in value):
            raise self.error(key, 'must be a list of texts, such as ["one", "two"]')
        return tuple(value)

    def path(self, key: str, default: Path) -> Path:
        """A path; a relative one starts at the folder of the file."""
        value = self.text(key, "")
        return self._path.parent / value if value else default

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._take(key, default, bool, "true or false")
        return bool(value)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number within bounds."""
        value = self._take(key, default, (int, float), "a number")
        if isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, f"is {value!r}; it must be a number from {low:g} to {high:g}")
        return float(value)

    def choice(self, key: str, default: E) -> E:
        """One of a few words."""
        value = self._take(key, default, str, "a text in quotes")
        known = {member.value: member for member in type(default)}
        if value not in known:
            raise self.error(key, f"is {value!r:.60}; use one of {', '.join(known)}{_near(value, list(known))}")
        return known[value]

    def finish(self) -> None:
        """Raises ConfigError if a key was never asked for."""
        for key in self._values:
            if key not in self._known:
                known = ", ".join(self._known)
                raise self.error(key, f"unknown key{_near(key, self._known)}; known here: {known}")

    def _take(self, key: str, default: Any, kind: Any, what: str) -> Any:
        self._known.append(key)
        value = self._values.get(key, default)
        if not isinstance(value, kind):
            raise self.error(key, f"is {value!r:.60}; it must be {what}")
        return value


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
