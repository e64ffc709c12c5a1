"""One package for each agent: what it does and what may be set for it. No Qt, and none knows another's inside."""
