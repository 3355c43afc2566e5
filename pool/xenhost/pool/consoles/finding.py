"""Which console a request means, as in xapi (console.ml): `uuid` or `ref`, of a console or of a VM."""

from dataclasses import dataclass
from http import HTTPStatus

from xenhost.api.host.v1 import console_service_pb2
from xenhost.core.errors import Code, XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.attached import Attached
from xenhost.system.http.message import HttpError, Request

RFB = "rfb"
BUSY = ("Retry-After", "10")


@dataclass(frozen=True, slots=True)
class Found:
    """A console, and where it is."""

    vm: Ref
    uuid: str
    """Of the VM."""
    host: Ref
    screen: bool
    """It speaks RFB; else it is a serial line."""


def find(database: Database, request: Request, only_screen: bool = False) -> Found:
    """The console. That of a VM is its screen; if it has none, its serial line. Raises HttpError 400, 404."""
    console = _named(database, request)
    if console.cls == "VM":
        consoles = [database.get("console", ref) for ref in console.refs("consoles")]
        consoles.sort(key=lambda each: each["protocol"] != RFB)
        if not consoles:
            raise HttpError(HTTPStatus.NOT_FOUND, f"VM {console['uuid']} has no console; does it run?")
        console = consoles[0]
    vm = database.get("VM", console.one("VM"))
    if vm["resident_on"] == NULL_REF:
        raise HttpError(HTTPStatus.NOT_FOUND, f"VM {vm['uuid']} does not run")
    if only_screen and console["protocol"] != RFB:
        raise HttpError(HTTPStatus.NOT_FOUND, f"console {console['uuid']} is no screen")
    return Found(vm.ref, str(vm["uuid"]), vm.one("resident_on"), console["protocol"] == RFB)


async def attach(agents: Agents, found: Found) -> Attached:
    """Speak with it. Raises HttpError."""
    protocol = console_service_pb2.CONSOLE_PROTOCOL_RFB if found.screen else console_service_pb2.CONSOLE_PROTOCOL_VT100
    try:
        return await agents.agent(found.host).attach(found.uuid, protocol)
    except ApiError as error:
        raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, " ".join(error.as_xenapi()), BUSY) from error
    except XenhostError as error:
        if error.code in (Code.FAILED_PRECONDITION, Code.NOT_FOUND):
            raise HttpError(HTTPStatus.NOT_FOUND, str(error)) from error
        raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), BUSY) from error


def _named(database: Database, request: Request) -> Record:
    """A VM or a console."""
    uuid, ref = request.arg("uuid"), request.arg("ref")
    if not uuid and not ref:
        raise HttpError(HTTPStatus.BAD_REQUEST, "say which console: uuid= or ref=")
    for cls in ("VM", "console"):
        found = database.find(cls, _by_uuid(database, cls, uuid) if uuid else Ref(ref))
        if found is not None:
            return found
    raise HttpError(HTTPStatus.NOT_FOUND, f"there is no VM and no console {uuid[:80] or ref[:80]}")


def _by_uuid(database: Database, cls: str, uuid: str) -> Ref:
    try:
        return database.by_uuid(cls, uuid)
    except ApiError:
        return NULL_REF
