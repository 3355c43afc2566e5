"""Names that two runs of the tests on one machine do not share."""

import os

from xenhost.core.ids import DomId

DOMID = DomId(20_000 + os.getpid() % 10_000)
BRIDGE = f"xhtest{os.getpid() % 10_000}"
VIF0 = f"vif{DOMID}.0"
EMULATED1 = f"vif{DOMID}.1-emu"
