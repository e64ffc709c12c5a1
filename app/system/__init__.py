"""What differs between operating systems: notifications, the single instance. No Qt."""
