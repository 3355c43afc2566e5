"""data_source: data source."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

DATA_SOURCE: Final[Class] = declare(
    "data_source",
    "Data source.",
    writer="pool-admin",
    calls="",
    since="5.0",
    stored=False,
    fields="""
    run name_label string: Its name, for people.
    run name_description string: Notes, for people.
    run enabled bool: Enabled.
    run standard bool: Standard.
    run units string: Units.
    run min float: Min.
    run max float: Max.
    run value float: Value.
    """,
)
