"""Where on a machine things lie that no repository holds: the user's cache folder, whatever the system calls it."""

from pathlib import Path

import platformdirs

_CACHE = Path(platformdirs.user_cache_dir("digitpairs"))

CELLS = _CACHE / "cells"  # what was trained once
MNIST = _CACHE / "mnist"  # the full MNIST, downloaded
REPRODUCTIONS = _CACHE / "reproductions"  # the study anew, by `make reproduce`
