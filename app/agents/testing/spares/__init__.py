"""Spare workers: interpreters of the user's that wait with pytest imported, and what makes one unfit for a change."""
