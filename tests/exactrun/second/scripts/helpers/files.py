from pathlib import Path


def read(path):
    return [int(line) for line in Path(path).read_text().split()]


def write(path, lines):
    Path(path).write_text("".join(f"{line}\n" for line in lines))
