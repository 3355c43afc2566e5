"""The pool's records: all of them in memory, what lasts on disk as well.

record  an object as it is at one moment    tables   objects, relationships, uniqueness (memory only, no waiting)
text    values as text, for filters and dumps filters the language of get_all_records_where
database  changes: in memory, then on disk, then told   port, sqlite  where they are kept
codec   records as JSON       dump, restore  all of them as XML, and back       upgrades  older files
"""
