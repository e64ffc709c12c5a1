"""What is done when a run is over and nobody waits: second looks, the last green source, traces, coverage.

Chosen tests run apart here, in processes and copies of the project that share nothing with its runs (`selected.py`).
"""
