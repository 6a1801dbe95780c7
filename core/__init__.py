"""AffectScope's core: models, features, training and explanations. It needs no browser and never imports streamlit."""

__version__ = "0.2.0"
