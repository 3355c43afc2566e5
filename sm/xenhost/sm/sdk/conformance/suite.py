"""Running the promises on a plugin."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from xenhost.sm.sdk.conformance import promises, promises_scripts
from xenhost.sm.sdk.conformance.place import Broken, Failure, NotOffered, Place
from xenhost.sm.sdk.conformance.promises import Broke
from xenhost.sm.sdk.conformance.report import BROKEN, KEPT, NOT_TRIED, Outcome
from xenhost.sm.sdk.conformance.scripts import ScriptFolder, ScriptPlace


class CannotRun(Exception):
    """There is nothing to try the promises on; the text says why."""


def of_folder(
    folder: Path, configuration: Mapping[str, str], seconds: float, plugin: str = "", only: Sequence[str] = ()
) -> Iterator[Outcome]:
    """Try everything on a SMAPIv3 plugin: a root, or the folder of a volume plugin."""
    root, volume = _volume_folder(folder, plugin)
    datapaths = {
        each.name: ScriptFolder(each, seconds) for each in sorted((root / "datapath").glob("*")) if each.is_dir()
    }
    place = ScriptPlace(ScriptFolder(volume, seconds), datapaths, configuration)
    yield from run(place, [*named(promises_scripts.PROMISES, place), *named(promises.PROMISES, place)], only)


_P = TypeVar("_P", bound=Place)
Wanted = tuple[str, Callable[[], None]]


def named(wanted: Sequence[Callable[[_P], None]], place: _P) -> Sequence[Wanted]:
    """Promises by name, to be tried on a place."""
    return [(str(getattr(promise, "__name__", promise)), partial(promise, place)) for promise in wanted]


def run(place: Place, wanted: Sequence[Wanted], only: Sequence[str] = ()) -> Iterator[Outcome]:
    """Make an SR, try each promise in it (or those with one of some words in their names), and destroy it."""
    made = attempt("an_sr_is_made_and_attached", partial(_begin, place))
    yield made
    if made.result != KEPT:
        return
    for name, promise in wanted:
        if not only or any(word in name for word in only):
            yield attempt(name, promise)
    yield attempt("an_sr_that_was_destroyed_is_gone", partial(_end, place))


def _begin(place: Place) -> None:
    place.create_sr()
    place.attach_sr()


def _end(place: Place) -> None:
    for key in place.volumes():
        place.destroy(key)
    try:
        place.needs("SR_DELETE")
    except NotOffered:
        place.detach_sr()
        raise
    place.destroy_sr()
    promises.refused(place, place.attach_sr, "attaching an SR that was destroyed")


def attempt(name: str, promise: Callable[[], None]) -> Outcome:
    """Try one."""
    begun = time.monotonic()
    result, text = KEPT, ""
    try:
        promise()
    except NotOffered as reason:
        result, text = NOT_TRIED, str(reason)
    except (Broke, Broken, Failure) as reason:
        result, text = BROKEN, str(reason)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        result, text = BROKEN, f"the plugin's answer cannot be used: {type(error).__name__}: {error}"
    return Outcome(name, result, text, time.monotonic() - begun)


def _volume_folder(folder: Path, plugin: str) -> tuple[Path, Path]:
    if folder.parent.name == "volume":
        return folder.parent.parent, folder
    candidates = [each for each in sorted((folder / "volume").glob("*")) if each.is_dir()]
    if plugin:
        candidates = [each for each in candidates if plugin in (each.name, each.name.rpartition(".")[2])]
    if len(candidates) != 1:
        names = ", ".join(each.name for each in candidates) or "none"
        raise CannotRun(f"{folder / 'volume'} must hold one volume plugin, or --plugin names one; there are: {names}")
    return folder, candidates[0]
