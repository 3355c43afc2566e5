"""xenpoold, the pool master: it serves the XenServer Management API.

call      what a call is: values, errors, who calls     model     the API as data: classes, fields, messages
database  the records of the pool, in memory and on disk  engine  calls, accessors, events and tasks over these
"""
