"""Feature extraction for whole corpora: in stages, on all cores or a Ray cluster."""
