"""The agent that runs a project's tests when a file is saved."""
