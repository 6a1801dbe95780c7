"""CMU-MOSEI: its labels, aligned pickles, .csd files and media."""
