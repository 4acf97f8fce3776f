"""All tests train as the study does: on one thread, on which results do not depend on how work is split."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is first imported
