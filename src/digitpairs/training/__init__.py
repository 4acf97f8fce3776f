"""Training of rounds: one run, all rounds of a configuration, their evaluation and their states."""
