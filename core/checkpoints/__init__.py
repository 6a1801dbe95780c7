"""Save models, load them safely, and let in what nobody vouches for."""
