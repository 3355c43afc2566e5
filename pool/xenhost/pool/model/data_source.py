"""data_source: something that can be measured."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DATA_SOURCE: Final[Class] = declare(
    "data_source",
    "Something that can be measured.",
    writer="pool-admin",
    calls="",
    since="5.0",
    stored=False,
    fields="""
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run enabled bool: It is recorded.
    run standard bool: It is recorded if nobody says otherwise.
    run units string: Its unit.
    run min float: The least it can be.
    run max float: The most it can be.
    run value float: What it is now.
    """,
)
