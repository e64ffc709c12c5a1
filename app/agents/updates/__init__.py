"""The search for newer releases, where a package of a release offers it and the person wants it."""
