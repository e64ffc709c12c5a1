"""Runs checks in programs of their own, so that whatever they do to themselves they do to nobody else."""
