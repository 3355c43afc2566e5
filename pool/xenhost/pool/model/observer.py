"""Observer: what traces the software, for its makers."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

OBSERVER: Final[Class] = declare(
    "Observer",
    "What traces the software, for its makers.",
    writer="pool-admin",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="23.14.0",
    fields="""
    run uuid string @23.14.0: Its UUID.
    rw  name_label string = "": Its name, for people.
    rw  name_description string = "": Notes, for people.
    ins hosts set ref host = [] @23.14.0: Hosts it watches; none is all.
    ins attributes map string string = {} @23.14.0: What it adds to each trace.
    ins endpoints set string = [] @23.14.0: Where traces go.
    ins components set string = [] @23.14.0: What it watches; none is all.
    ins enabled bool = false @23.14.0: It is on.
    """,
    messages="""
    set_components(self ref Observer, value set string)
        pool via pool-admin @23.14.0: Set components.
    set_endpoints(self ref Observer, value set string)
        pool via pool-admin @23.14.0: Set endpoints.
    set_attributes(self ref Observer, value map string string)
        pool via pool-admin @23.14.0: Set attributes.
    set_enabled(self ref Observer, value bool)
        pool via pool-admin @23.14.0: Set enabled.
    set_hosts(self ref Observer, value set ref host)
        pool via pool-admin @23.14.0: Set hosts.
    """,
)
