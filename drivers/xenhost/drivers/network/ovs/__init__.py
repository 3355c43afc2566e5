"""Open vSwitch, by its database (OVSDB) and OpenFlow; none of its commands is run.

`OvsSwitch` in `switch.py` is the port; `docs/adr/0016-open-vswitch-without-its-commands.md` says why it is made so.
"""
