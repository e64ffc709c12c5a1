"""An audit's report, in the forms in which people and programs read it."""
