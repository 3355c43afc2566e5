"""What answers calls: over the model and the database.

registry    who answers which message        values      from the wire's values to the model's types, and the errors
dispatcher  from a call to an answer         accessors   the messages that fields and classes bring by themselves
tasks       what runs, and how it ended      changelog, subscriptions, events  what changed, and who waits for it

Put together like this:

    database = Database(MODEL, SqliteStore(path))
    await database.open()
    log = Changelog(database, first_id=first_id(clock.now()))
    implementations = Implementations(MODEL)
    implementations.register_all(EventCalls(database, log, clock).answers())
    async with Tasks(database, clock) as tasks:
        implementations.register_all(TaskCalls(database, tasks).answers())
        dispatcher = ModelDispatcher(database, tasks, implementations, clock)
"""
