"""What `build.py` does once everything it needs is there: each kind of package, and what goes along with a release.

Runs in the checkout's own `.venv`, on the packages of installer/locks/build.txt.
"""
