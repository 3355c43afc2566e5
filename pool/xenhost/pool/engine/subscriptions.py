"""What a client of events wants to hear of: `*`, `vm`, `vm/OpaqueRef:…`, in any case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import ApiError, Ref

MAX_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """A choice of objects. Classes are in lower case; those that do not exist match nothing."""

    everything: bool
    classes: frozenset[str]
    objects: frozenset[tuple[str, Ref]]

    def wants(self, lower_class: str, ref: Ref) -> bool:
        """Is the object one of them?"""
        return self.everything or lower_class in self.classes or (lower_class, ref) in self.objects

    def of_class(self, lower_class: str) -> bool:
        """May it want objects of the class?"""
        return self.everything or lower_class in self.classes or any(cls == lower_class for cls, _ in self.objects)

    def joined(self, other: "Subscription") -> "Subscription":
        """Both."""
        return Subscription(
            self.everything or other.everything, self.classes | other.classes, self.objects | other.objects
        )

    def without(self, other: "Subscription") -> "Subscription":
        """This one without what the other names; `*` takes all."""
        if other.everything:
            return NONE
        return Subscription(self.everything, self.classes - other.classes, self.objects - other.objects)


NONE: Final = Subscription(False, frozenset(), frozenset())


def parse(untrusted_items: Sequence[str]) -> Subscription:
    """Raises ApiError EVENT_SUBSCRIPTION_PARSE_FAILURE."""
    if len(untrusted_items) > MAX_ITEMS:
        raise ApiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", f"more than {MAX_ITEMS} classes and objects")
    classes, objects = set(), set()
    for item in untrusted_items:
        name, slash, ref = item.partition("/")
        if not name or (slash and not ref):
            raise ApiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", item[:200])
        if slash:
            objects.add((name.lower(), Ref(ref)))
        else:
            classes.add(name.lower())
    return Subscription("*" in classes, frozenset(classes), frozenset(objects))
