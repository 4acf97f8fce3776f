"""Write the page that `dvc plots` fills, with Vega inside: DVC's own loads it from the network."""

import argparse
from pathlib import Path

from digitpairs import errors
from digitpairs.files import write_atomically
from digitpairs.reporting.runtime import runtime

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Plots of the study</title>
<script>
%s
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Parse arguments, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="html: the template for dvc's plots.html_template")
    args = parser.parse_args()
    write_atomically(args.output, (PAGE % runtime()).encode())


if __name__ == "__main__":
    errors.run(main)
