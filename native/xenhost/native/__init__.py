"""What is C underneath: the xenstore client, and libxenctrl, libxenevtchn and the domain builder behind our own shim.

xenstore     asynchronous client           xenctrl, evtchn   typed handles; NativeUnavailable where not built
xs_wire      the codec in C                domain_helper     protocol of the program that builds domains
"""
