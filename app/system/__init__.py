"""What differs between operating systems: notifications, the display, the single instance. No Qt."""
