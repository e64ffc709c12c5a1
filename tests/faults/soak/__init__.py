"""A long run of the real program while its world misbehaves; `python -m tests.faults.soak --help` tells how."""
