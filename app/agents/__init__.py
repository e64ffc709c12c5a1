"""One package for each agent: what it does, its settings, its events. No Qt, and none knows another's inside."""
