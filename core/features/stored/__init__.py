"""Features on disk: a cache of single clips, and packed stores of whole corpora."""
