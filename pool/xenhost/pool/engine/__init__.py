"""What answers calls: over the model and the database.

registry    who answers which message        values      from the wire's values to the model's types, and the errors
dispatcher  from a call to an answer         accessors   the messages that fields and classes bring by themselves
tasks       what runs, and how it ended      changelog, subscriptions, events  what changed, and who waits for it
"""
