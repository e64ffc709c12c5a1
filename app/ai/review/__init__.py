"""A change is reviewed by a model: what it is shown, and what of its word is believed."""
