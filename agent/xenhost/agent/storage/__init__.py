"""The storage engine: requests for SRs and VDIs in, operations and datapaths out.

    submit -> admission (core/storage_allowed, pure) -> begin (journal) -> runner -> works -> driver
    connect -> datapaths (sm/automaton, pure) -> driver -> block devices

engine      the facade that the edge uses             records     SRs and VDIs in memory, and their events
runner      carries out one operation to its outcome  journal     what is written; store: the file
sr_works    what is done to SRs                       vdi_works   what is done to VDIs
scan        a scan's report against the records       copying     copies and comparisons
datapaths   who uses which VDI, and how               recovery    what to do about what was found at start
keepers     SRs are attached, looked at, tidied       locks       which verbs exclude each other
calls       every driver call has a deadline          transfers   VDIs read by the host itself, and exports
"""
