"""Wire messages to values of the core and back, one module for each kind of object. Pure; no engine, no I/O.

`*_to_proto` never fails. `*_from_proto` takes an untrusted message and raises InvalidValue or UuidInvalid, naming the
field; the answer is proven consistent. Going there and back gives the same value (property-tested).
"""
