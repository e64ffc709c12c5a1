"""What every agent stands on: bus, bridge, supervision, file watching, processes. No Qt, and no single agent."""
