"""From a script's name and standard input to a method, and from what it returns to standard output."""

import contextlib
import inspect
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from xenhost.sm.sdk.errors import PluginError, Unimplemented
from xenhost.sm.sdk.plugins import DatapathPlugin, Plugin, VolumePlugin

QUERY: Final = "Plugin.Query"
_PREFIXES: Final = {"sr_": "SR.", "volume_": "Volume."}
_USAGE: Final = """{name}: {description}

  {program} --install [FOLDER]     make a link for each method, here or in that folder
  {program} METHOD --json          arguments as JSON on standard input, the answer on standard output
  {program} METHOD DBG [VALUE]...  the same by hand, values in order; structs as --NAME KEY VALUE

A link that is named like a method calls that method. Methods of this plugin:
{methods}"""


def main(plugin: Plugin, argv: Sequence[str] | None = None) -> None:
    """Run a plugin as the program it is called as; ends the process."""
    argv = list(sys.argv if argv is None else argv)
    sys.exit(run(plugin, argv, sys.stdin, sys.stdout))


def run(plugin: Plugin, argv: list[str], stdin: TextIO, stdout: TextIO) -> int:
    """The same as a function: the exit status."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    plugin.log = logging.getLogger(plugin.info.plugin)
    methods = methods_of(plugin)
    name = os.path.basename(argv[0])
    arguments = argv[1:]
    if name.lower() not in methods and arguments and arguments[0].lower() in methods:
        name = arguments.pop(0)
    if name.lower() not in methods:
        return _other(plugin, methods, argv, stdout)
    method, function = methods[name.lower()]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            given = json.load(stdin) if "--json" in arguments else _by_hand(function, arguments)
            plugin.dbg = str(given.get("dbg", ""))
            answer = _to_json(function(**_arguments(method, function, given)))
            if method == "Datapath.attach":
                answer = {"implementations": answer}
            text = json.dumps(answer)
    except Exception as error:  # noqa: BLE001 - whatever an author's code raises is reported as SMAPIv3 wants it
        print(json.dumps(_report(error)), file=stdout)
        return 1
    print(text, file=stdout)
    return 0


def methods_of(plugin: Plugin) -> Mapping[str, tuple[str, Callable[..., Any]]]:
    """The methods that a plugin overrides, by their names in lower case."""
    found: dict[str, tuple[str, Callable[..., Any]]] = {QUERY.lower(): (QUERY, lambda: plugin.info)}
    for base in (VolumePlugin, DatapathPlugin, Plugin):
        if not isinstance(plugin, base):
            continue
        for attribute, original in vars(base).items():
            if attribute.startswith("_") or not inspect.isfunction(original):
                continue
            if getattr(type(plugin), attribute) is not original:
                method = method_name(base, attribute)
                found[method.lower()] = (method, getattr(plugin, attribute))
    return found


def method_name(base: type[Plugin], attribute: str) -> str:
    """`sr_ls` -> `SR.ls`."""
    for prefix, replacement in _PREFIXES.items():
        if attribute.startswith(prefix):
            return replacement + attribute.removeprefix(prefix)
    return f"Datapath.{attribute}" if base is DatapathPlugin else f"Plugin.{attribute}"


def install(plugin: Plugin, program: Path, folder: Path) -> list[str]:
    """Make a link in a folder for each method; those that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    program.chmod(program.stat().st_mode | 0o111)
    made = []
    for method, _ in methods_of(plugin).values():
        link = folder / method
        if not link.is_symlink() and not link.exists():
            link.symlink_to(os.path.relpath(program.resolve(), folder.resolve()))
            made.append(method)
    return made


def _other(plugin: Plugin, methods: Mapping[str, tuple[str, Any]], argv: list[str], stdout: TextIO) -> int:
    program = Path(argv[0])
    if argv[1:2] == ["--install"]:
        folder = Path(argv[2]) if len(argv) > 2 else program.resolve().parent
        for method in install(plugin, program, folder):
            print(f"{folder / method}", file=stdout)
        return 0
    if len(argv) == 1 or argv[1] in ("--help", "-h"):
        listed = [f"  {method:28}{_first_line(function)}" for method, function in methods.values()]
        text = _USAGE.format(
            name=plugin.info.name,
            description=plugin.info.description,
            program=program.name,
            methods="\n".join(sorted(listed)),
        )
        print(text, file=stdout)
        return 0
    print(json.dumps(_report(Unimplemented(argv[1] if len(argv) > 1 else program.name))), file=stdout)
    return 1


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").split("\n", 1)[0]


def _arguments(method: str, function: Callable[..., Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those that the method takes; others are from newer callers, and are left out."""
    wanted = inspect.signature(function).parameters
    missing = [name for name in wanted if name not in given]
    if missing:
        raise PluginError("SR_BACKEND_FAILURE_115", [f"{method} needs {', '.join(missing)}"])
    return {name: given[name] for name in wanted}


def _by_hand(function: Callable[..., Any], arguments: list[str]) -> Mapping[str, Any]:
    given: dict[str, Any] = {}
    plain: list[str] = []
    while arguments:
        word = arguments.pop(0)
        if word.startswith("--") and len(arguments) >= 2:
            key, value = arguments.pop(0), arguments.pop(0)
            given.setdefault(word[2:], {})[key] = value
        else:
            plain.append(word)
    names = [name for name in inspect.signature(function).parameters if name not in given and name != "configuration"]
    given["dbg"] = plain.pop(0) if plain else ""
    for name, text in zip(names, plain, strict=False):
        kind = inspect.signature(function).parameters[name].annotation
        given[name] = int(text) if kind is int else text == "true" if kind is bool else text
    given.setdefault("configuration", {})
    return given


def _to_json(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return [_to_json(each) for each in value]
    return value


def _report(error: Exception) -> Mapping[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    backtrace = {
        "error": str(error),
        "files": [frame.filename for frame in frames],
        "lines": [frame.lineno or 0 for frame in frames],
    }
    if isinstance(error, PluginError):
        return {"code": error.code, "params": error.params, "backtrace": backtrace}
    return {"code": "SR_BACKEND_FAILURE", "params": [type(error).__name__, str(error)], "backtrace": backtrace}
