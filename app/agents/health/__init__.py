"""The agent that looks after the program itself."""
