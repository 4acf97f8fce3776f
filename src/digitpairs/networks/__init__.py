"""Networks of many rounds as one: the blocks of the models, alone and stacked, and their products."""
