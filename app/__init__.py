"""Watchkeeper: keeps watch over a project's tests while people and coding agents change it."""

__version__ = "0.1.0"
