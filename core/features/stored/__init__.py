"""Features on disk: existing arrays, and packed stores of whole corpora."""
