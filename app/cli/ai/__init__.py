"""The commands that speak with a model by way of the running instance: explain, ask, conversations."""
