"""What became of the promises, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TextIO
from xml.etree.ElementTree import Element, ElementTree, SubElement

KEPT, BROKEN, NOT_TRIED = "kept", "broken", "not tried"


@dataclass(frozen=True)
class Outcome:
    """One promise."""

    promise: str
    result: str
    """kept, broken, not tried."""
    text: str
    """How it was broken, or why it was not tried."""
    seconds: float


def as_text(outcomes: Sequence[Outcome], out: TextIO) -> None:
    """A line for each, and a sum."""
    for each in outcomes:
        text = f"\n{'':11}{each.text}" if each.text else ""
        print(f"{each.result:10} {each.promise.replace('_', ' ')}{text}", file=out)
    counts = {word: sum(each.result == word for each in outcomes) for word in (KEPT, BROKEN, NOT_TRIED)}
    print(", ".join(f"{count} {word}" for word, count in counts.items()), file=out)


def as_json(outcomes: Sequence[Outcome], out: TextIO) -> None:
    """A list of structs."""
    json.dump([asdict(each) for each in outcomes], out, indent=1)
    out.write("\n")


def as_junit(outcomes: Sequence[Outcome], path: str) -> None:
    """The form that build servers read."""
    failures = sum(each.result == BROKEN for each in outcomes)
    skipped = sum(each.result == NOT_TRIED for each in outcomes)
    suite = Element(
        "testsuite", name="conformance", tests=str(len(outcomes)), failures=str(failures), skipped=str(skipped)
    )
    for each in outcomes:
        case = SubElement(suite, "testcase", name=each.promise, time=f"{each.seconds:.3f}")
        if each.result == BROKEN:
            SubElement(case, "failure", message=each.text)
        elif each.result == NOT_TRIED:
            SubElement(case, "skipped", message=each.text)
    ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
