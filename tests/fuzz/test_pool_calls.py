"""Any call of any method, with anything for parameters: it answers or fails with an error of the API, never of ours."""

import random
from pathlib import Path

from kit.clock import FakeClock
from kit.pool_heart import heart
from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.database.links import Links
from xenhost.pool.engine.registry import Answer
from xenhost.pool.implementations import register_records
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.schema.types import EnumOf, MapOf, OptionOf, RecordOf, RefTo, Scalar, SetOf, Type

CALLS = 6000
WAITING = {"event.from", "event.next"}


class Values:
    """Values that are mostly right."""

    def __init__(self, rng: random.Random, of_class: dict[str, list[Ref]]) -> None:
        self.rng, self.of_class = rng, of_class

    def junk(self) -> Value:
        some: list[Value] = [None, True, -1, 2**63, 1.5, "", "x", "OpaqueRef:x", "\x00", [], ["a", {}], {}, {"a": [1]}]
        return self.rng.choice(some)

    def of(self, kind: Type, odds: float = 0.06) -> Value:
        if self.rng.random() < odds:
            return self.junk()
        match kind:
            case RefTo(cls):
                return self.rng.choice([*self.of_class.get(cls, [])[:5], "OpaqueRef:NULL"])
            case EnumOf(name):
                return self.rng.choice(sorted(MODEL.enums[name]))
            case SetOf(item):
                return [self.of(item) for _ in range(self.rng.randrange(3))]
            case MapOf(key, item):
                return {str(self.of(key)): self.of(item) for _ in range(self.rng.randrange(3))}
            case RecordOf(cls):
                fields = [field for field in MODEL.classes[cls].fields if not field.hidden and field.name != "uuid"]
                return {field.name: self.of(field.type, 0.003) for field in fields}
            case OptionOf(item):
                return self.of(item)
            case Scalar.INT:
                return self.rng.choice(["0", "1", "7", "-3", str(2**62)])
            case Scalar.FLOAT:
                return self.rng.choice([0.25, 0.5, 1.0])
            case Scalar.BOOL:
                return self.rng.random() < 0.5
            case Scalar.DATETIME:
                return self.rng.choice(["20260101T00:00:00Z", "2026-01-01T00:00:00Z"])
        return self.rng.choice(["", "a", "b", "true", 'field "uuid" = "a"', "é & <"])


async def test_any_call_answers_or_fails_with_an_error_of_the_api(tmp_path: Path) -> None:
    rng = random.Random(5)
    async with heart(tmp_path) as pool:
        register_records(pool.implementations, pool.database, FakeClock(auto=False))
        answered = [m for m in MODEL.messages.values() if pool.implementations.answer(m) is not Answer.MISSING]
        makers = [m for m in answered if m.name == "create"]
        good, faults = 0, []
        for _ in range(CALLS):
            of_class = {cls: list(pool.database.rows(cls)) for cls in MODEL.stored}
            values = Values(rng, of_class)
            message = rng.choice(makers if rng.random() < 0.3 else answered)
            if message.method in WAITING or (message.name == "destroy" and rng.random() < 0.5):
                continue
            params = [values.of(param.type) for param in message.params]
            if rng.random() < 0.03:
                params = params[:-1] if rng.random() < 0.5 else [*params, "more"]
            try:
                await pool.call(message.method, *params)
            except ApiError as failed:
                if failed.code == "INTERNAL_ERROR":
                    faults.append((message.method, params, str(failed)))
            else:
                good += 1
        assert not faults
        assert good > CALLS / 5
        assert pool.database.rows("VM")
        for cls in MODEL.stored.values():
            for name, end in Links(MODEL, cls).ends.items():
                for ref, record in pool.database.rows(cls.name).items():
                    for other in record.value(name) if end.many else [record.value(name)]:  # type: ignore[union-attr]  # a set
                        if other != "OpaqueRef:NULL":
                            back = pool.database.get(end.other.cls, Ref(str(other))).value(end.other.field)
                            assert ref in back if end.other_many else ref == back  # type: ignore[operator]  # a set
