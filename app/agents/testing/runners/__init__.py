"""Runs of tests that are not pytest's: other runners, by their own reports.

`choose.py` says which runner a project has, `toolrun.py` runs it; each other module knows one runner or one format.
"""
