"""Analysis of the rounds: selection, intervals and tests, loss spikes, statistics, claims, findings."""
