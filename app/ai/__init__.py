"""Models: who is asked, what they are told, what of their answers can be used, and what was said."""
