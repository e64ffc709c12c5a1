"""The review: the one check that asks a model, and so runs where the keys are."""
