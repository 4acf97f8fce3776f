"""What the rounds say: selection, intervals and tests, claims."""
