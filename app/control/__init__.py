"""The local socket by which the command line and others speak to the running instance."""
