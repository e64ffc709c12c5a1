"""The Debian package and the portable archive: one tree of files, packed in two ways."""
