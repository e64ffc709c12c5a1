"""The tray and the window: a face that reads snapshots and sends commands. Qt lives here and in house.py only."""
