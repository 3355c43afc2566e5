"""[plugins]: the part of the configuration about plugins and extensions of the Management API."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.toml_table import Table

PLUGINS: Final = "etc/xapi.d/plugins"
EXTENSIONS: Final = "etc/xapi.d/extensions"
OURS: Final = "usr/lib/xenhost"
"""The folder of the folders `plugins` and `extensions` that packages may put theirs into."""
SECONDS: Final = 600
MAX_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Where executables are that clients may call by name, the first folder first."""

    plugins: tuple[Path, ...]
    extensions: tuple[Path, ...]
    seconds: float
    """How long one may run before it is killed."""


def read_plugins(table: Table, root: Path) -> PluginSettings:
    """From its table. Raises ConfigError."""
    settings = PluginSettings(
        plugins=_folders(table, "plugins", root, PLUGINS),
        extensions=_folders(table, "extensions", root, EXTENSIONS),
        seconds=table.number("seconds", SECONDS, 1, MAX_SECONDS),
    )
    table.finish()
    return settings


def _folders(table: Table, key: str, root: Path, xapis: str) -> tuple[Path, ...]:
    named = tuple(Path(text) for text in table.texts(key))
    for folder in named:
        if not folder.is_absolute():
            raise table.error(key, f"{str(folder)!r:.60} must begin with a slash")
    return named or (root / xapis, root / OURS / key)
