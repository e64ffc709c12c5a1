"""Start with the session: one class for each way that an operating system has, and one that keeps a single one in use.

`here.autostart_here` puts them together for the machine that it runs on. All of it blocks: call it in a thread.
"""
