"""What a probe found, for people: a table of choices, and the exact command that comes next. Pure."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xenhost.agent.cli.parse import ConfigArg
from xenhost.core.units import human_size

HIDDEN = "********"
"""What the agent shows instead of a secret."""
Columns = list[tuple[str, str]]


def choices(found: Mapping[str, Any], given: set[str]) -> tuple[Columns, list[dict[str, Any]]]:
    """The table: what each choice adds to what was given."""
    rows = []
    keys: list[str] = []
    for number, entry in enumerate(found["entries"], 1):
        added = {key: value for key, value in entry["configuration"].items() if key not in given}
        keys += [key for key in added if key not in keys]
        rows.append(
            {
                "number": number,
                **{f"key {key}": value for key, value in added.items()},
                "sr": entry["sr_id"],
                "name": entry["name"],
                "description": entry["description"],
                "size": human_size(entry["size_bytes"]) if entry["size_bytes"] else "",
            }
        )
    columns: Columns = [("number", "#"), *((f"key {key}", key) for key in keys)]
    for name, title in (("sr", "SR"), ("name", "Name"), ("size", "Size"), ("description", "Description")):
        if any(row[name] for row in rows):
            columns.append((name, title))
    return columns, rows


def next_commands(
    sr_type: str,
    device_config: Sequence[ConfigArg],
    sm_config: Sequence[tuple[str, str]],
    found: Mapping[str, Any],
    keys: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """What to type now, for each choice. Secrets are written as they were given, if from a file, or left to fill in."""
    secret = {key["name"] for key in keys if key["secret"]}
    written = {
        each.key: f"{each.key}={HIDDEN}"
        if each.key in secret and each.written == f"{each.key}={each.value}"
        else each.written
        for each in device_config
    }
    rest = [word for key, value in sm_config for word in ("--sm-config", f"{key}={value}")]
    entries = found["entries"]
    missing = found["missing"]
    if not entries and not missing:
        yield "nothing was found; an SR can be made with"
        yield "  " + _command("sr", "create", "NAME", "--type", sr_type, *_words(written), *rest)
        return
    if missing:
        said = next((f": {key['description']}" for key in keys if key["name"] == missing), "")
        yield f"choose {missing}{said}"
    if missing and not entries:
        yield "  " + _command("sr", "probe", sr_type, *_words(written), "-c", f"{missing}=...", *rest)
    for number, entry in enumerate(entries, 1):
        config = {
            **written,
            **{key: f"{key}={value}" for key, value in entry["configuration"].items() if key not in written},
        }
        words = (*_words(config), *rest)
        if not entry["complete"]:
            command = _command("sr", "probe", sr_type, *words)
        elif entry["sr_id"]:
            name = entry["name"] or "NAME"
            command = _command("sr", "introduce", entry["sr_id"], "--name", name, "--type", sr_type, *words)
        else:
            command = _command("sr", "create", entry["name"] or "NAME", "--type", sr_type, *words)
        yield f"{number}:  {command}"


def _words(config: Mapping[str, str]) -> list[str]:
    return [word for written in config.values() for word in ("-c", written)]


def _command(*words: str) -> str:
    shown = ("".join(char if char.isprintable() else "?" for char in word) for word in words)
    return " ".join(["xenhost", *map(shlex.quote, shown)])
