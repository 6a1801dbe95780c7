"""Features of whole corpora: in stages, on all cores or a Ray cluster."""
