"""Extractors: from sound and pictures to features."""
