"""The Shared space page."""
