"""How the Management API is written down, and what follows from that.

types         types of values, in the notation of the declarations       notation  a class is read from its text
declarations  what a class, a field, a message is                        messages  accessors made from fields
model         all classes together: every method, relationship and enum        secrets   names that say secret
"""
