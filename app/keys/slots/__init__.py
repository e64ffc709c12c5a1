"""The ways to the master key: each kind of slot in its own file, behind one protocol."""
