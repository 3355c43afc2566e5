"""The journal: what the agent intends, on disk before it has any effect.

record   what is written        database   SQLite in its own thread, group commit
                                store      what the engine's file holds
entry    one operation's lines  recovery   what to do about what was found at start (pure)

An operation is begun by one transaction that holds its request, its plan, and the first STARTED records; that one is
awaited, so its intent is on disk before the first effect. As every step of a stage is safe to undo (or to repeat)
even if it never ran, the plan itself is the intent of all its steps: the STARTED and DONE records that follow are
written without waiting for the disk, in order, and go out with the next transaction. An interrupted operation
therefore treats a step without a record as one that may have begun. Awaited again are: the beginning of an unwinding,
with the number of the domain to destroy (it may be unknown to the hypervisor half-way through), and the outcome, in
one transaction with the specification it changes; nobody is told of an outcome before it is on disk.
"""
