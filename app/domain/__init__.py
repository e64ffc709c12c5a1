"""What happened, what is asked for, and what can be seen: plain immutable values with no I/O.

An `Event` says what happened, `reduce` folds it into the one `Snapshot` that every face reads, and a `Command` is
what a person or a program asks for. Nothing here imports more than the standard library's data types.
"""
