import pytest

from xenhost.pool.call import NULL_REF, Role
from xenhost.pool.schema.declarations import Class, Kind, Link, Locus, Qualifier
from xenhost.pool.schema.messages import messages_of
from xenhost.pool.schema.model import BadModel, Model
from xenhost.pool.schema.notation import BadDeclaration, declare
from xenhost.pool.schema.types import EnumOf, parse

FIELDS = """
    run uuid string: Its UUID.
    rw  name_label string = "" by vm-operator: Its name.
    rw  other_config map string string keys vm-operator:folder,x.*;pool-admin:pci @5.0: Keys.
    rw  tags set string: Words.
    ins owner ref owner <> owner.things: Whose
        it is.
    run cached string hidden: A cache.
"""
MESSAGES = """
    paint(self ref thing, colour colour, coats? int = 2, with? set ref
            thing) -> map string
            string
        host via vm-admin @6.0 sync deprecated: Paint it.
        ! HANDLE_INVALID
        INVALID_VALUE
    forget(self ref thing)
        db pool-operator stub MESSAGE_REMOVED: Forget it.
"""


def thing(fields: str = FIELDS, messages: str = MESSAGES) -> Class:
    return declare("thing", "A thing.", writer="vm-admin", fields=fields, messages=messages)


OWNER = declare(
    "owner",
    "An owner.",
    writer="vm-admin",
    fields="run uuid string: Its UUID.\nrun things set ref thing <> thing.owner: It.",
)
ENUMS = {"colour": frozenset({"red"})}


def test_a_field_has_all_that_its_line_says() -> None:
    uuid, name, other, tags, owner, cached = thing().fields
    assert (uuid.qualifier, uuid.default, uuid.hidden) == (Qualifier.RUN, "", False)
    assert (name.qualifier, name.default, name.writer) == (Qualifier.RW, "", Role.VM_OPERATOR)
    assert other.keys == {"folder": Role.VM_OPERATOR, "x.*": Role.VM_OPERATOR, "pci": Role.POOL_ADMIN}
    assert (other.since, str(other.type)) == ("5.0", "map string string")
    assert (owner.other, owner.doc) == (Link("owner", "things"), "Whose it is.")
    assert cached.hidden
    assert not isinstance(tags.default, tuple)


def test_a_message_has_all_that_its_lines_say() -> None:
    paint, forget = thing().messages
    assert [(p.name, str(p.type), p.optional) for p in paint.params] == [
        ("self", "ref thing", False),
        ("colour", "colour", False),
        ("coats", "int", True),
        ("with", "set ref thing", True),
    ]
    assert (paint.params[2].default, paint.params[3].default) == (2, ())
    assert (str(paint.result), paint.locus, paint.via_host, paint.role) == (
        "map string string",
        Locus.HOST,
        True,
        Role.VM_ADMIN,
    )
    assert (paint.since, paint.asynchronous, paint.deprecated) == ("6.0", False, True)
    assert paint.errors == ("HANDLE_INVALID", "INVALID_VALUE")
    assert (forget.void, forget.stub, forget.asynchronous) == (True, "MESSAGE_REMOVED", True)


def test_accessors_follow_from_fields() -> None:
    names = {message.name: message for message in messages_of(thing())}
    assert names.keys() == {
        *("paint", "forget", "get_all", "get_all_records", "get_all_records_where", "get_record", "get_by_uuid"),
        *("get_by_name_label", "get_uuid", "get_name_label", "set_name_label", "get_tags", "set_tags", "add_tags"),
        *("remove_tags", "get_other_config", "set_other_config", "add_to_other_config", "remove_from_other_config"),
        "get_owner",
    }
    assert names["set_name_label"].role is Role.VM_OPERATOR
    assert names["set_tags"].role is Role.VM_ADMIN
    assert names["get_tags"].role is Role.READ_ONLY
    assert names["add_to_other_config"].keys
    assert not names["set_other_config"].keys
    assert names["add_tags"].kind is Kind.ADD_TO_SET


@pytest.mark.parametrize(
    "line",
    [
        "rw x string",
        "ro x string: Words.",
        "rw x map string: Words.",
        "rw x string colour red: Words.",
        "rw x int = red: Words.",
        "rw x string by nobody: Words.",
        "rw x ref: Words.",
    ],
)
def test_a_field_that_cannot_be_read_stops_everything(line: str) -> None:
    with pytest.raises(BadDeclaration):
        thing(fields=line)


@pytest.mark.parametrize(
    "text",
    [
        "paint(self ref thing)",
        "paint(self)\n    db: Words.",
        "paint(x string = red)\n    db: Words.",
        "paint(x? colour)\n    db: Words.",
        "paint()\n    db colour: Words.",
        "paint\n    db: Words.",
    ],
)
def test_a_message_that_cannot_be_read_stops_everything(text: str) -> None:
    with pytest.raises(BadDeclaration):
        thing(messages=text)


def test_a_model_whose_parts_agree() -> None:
    model = Model((thing(), OWNER), ENUMS)
    assert model.messages["thing.paint"].params[1].type == EnumOf("colour")
    assert model.field("thing", "owner") is thing().fields[4] or model.field("thing", "owner") == thing().fields[4]
    assert model.by_lower_name["thing"] == "thing"


@pytest.mark.parametrize(
    ("classes", "enums"),
    [
        ((thing(),), ENUMS),
        ((thing(), OWNER), {}),
        ((thing(fields="run uuid string: U.\nrun owner ref owner: O."), OWNER), ENUMS),
        ((thing(fields="run uuid string: U.\nrun x ref nothing: X."),), ENUMS),
        ((thing(fields="run uuid string: U.\nins owner string <> owner.things: O."), OWNER), ENUMS),
    ],
    ids=["no other class", "no enum", "one-sided", "no target", "no reference"],
)
def test_parts_that_contradict_each_other_stop_everything(
    classes: tuple[Class, ...], enums: dict[str, frozenset[str]]
) -> None:
    with pytest.raises(BadModel):
        Model(classes, enums)


@pytest.mark.parametrize("text", ["", "ref", "set", "map string", "string string", "a-b"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["set ref VM", "map ref VM map string string", "option record sr_stat", "vm_power_state"]
)
def test_a_type_is_written_as_it_is_read(text: str) -> None:
    assert str(parse(text)) == text
    assert NULL_REF
