"""Analysis of the rounds: selection, intervals and tests, statistics, claims."""
