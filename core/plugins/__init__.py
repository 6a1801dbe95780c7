"""Plugins, that is user code: importing it, reporting its errors, and hashing its sources."""
