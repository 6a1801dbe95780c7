"""The user's own clips: upload, storage, and complete deletion."""
