"""What the desktop tests stand on: a program, a project, a screen, and eyes on the bus."""
