"""Explicit messages that end in the database: their checks are here, and no host hears of them.

setters    fields that need no check            vgpus      virtual GPUs
introduce  records of what exists already       messages   what people should know          blobs  binary blobs
"""
