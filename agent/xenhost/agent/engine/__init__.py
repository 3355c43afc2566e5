"""The engine: requests in, operations out.

    submit -> admission (pure) -> plan (pure) -> begin (journal) -> actor -> execution -> step -> port
                                                                      |
                     keeper: observes the VM's domain, and reacts when its guest stops by itself

engine      the facade that the edge uses            operations  the table of operations, their waiters and views
admission   may this request be done now?            job         one operation on its way
actor       carries out the jobs of one VM           execution   steps, journal records, unwinding
keeper      one VM: observation and reaction         adoption    what to do about what was found at start (pure)
"""
