"""The composition root: the only room where everything is constructed, and that knows the engine and Qt both.

What has a lifetime is entered in order, and so left in reverse. What a start does not need is imported late.
"""
