"""Arrays on disk: what comes back is what was written, or an error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stages.dedupe.stored import Array, load, save

DAMAGED = "is damaged or missing"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stored") / "key.npy"


@given(
    st.sampled_from([np.uint8, np.uint32, np.int64, np.uint64, np.float32, np.bool_]).flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=40))
    )
)
@settings(max_examples=60, deadline=None)
def test_arrays_come_back(path: Path, array: Array) -> None:
    save(path, array)
    stored = load(path)
    assert len(stored) == len(array)
    rows = np.arange(len(array))[::-2]
    for found, wanted in (
        (stored[:], array),
        (stored[1:3], array[1:3]),
        (stored[rows], array[rows]),
    ):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.load(path), array)


def test_what_is_asked_for_is_checked_and_no_more(path: Path) -> None:
    save(path, np.arange(5_000))  # ten blocks of 512 numbers
    content = bytearray(path.read_bytes())
    content[128 + 8 * 1_100] ^= 1  # in the third block
    path.write_bytes(content)
    stored = load(path)
    np.testing.assert_array_equal(stored[:1_024], np.arange(1_024))
    np.testing.assert_array_equal(stored[np.array([4_000, 3])], [4_000, 3])
    assert stored.place(4_500) == 4_500
    for damaged in (
        lambda: stored[:],
        lambda: stored[1_023:1_025],
        lambda: stored[::1_024],
        lambda: stored[np.array([3, 1_500])],
        lambda: stored.place(1_200),
        lambda: stored.check_runs(np.array([0, 1_000]), np.array([5, 1_200])),
    ):
        with pytest.raises(ValueError, match=f"key.npy {DAMAGED}.*about 8192"):
            damaged()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_changed_byte_is_noticed(path: Path, data: st.DataObject) -> None:
    save(path, np.arange(700, dtype=np.uint32))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"key.npy {DAMAGED}"):
        load(path)[:]


def test_files_cut_off_or_missing_are_named(path: Path) -> None:
    save(path, np.arange(100))
    whole = path.read_bytes()
    for left in (0, 5, 100, 400, len(whole) - 1):
        path.write_bytes(whole[:left])
        with pytest.raises(ValueError, match=f"key.npy {DAMAGED}"):
            load(path)
    with pytest.raises(ValueError, match=f"none.npy {DAMAGED}"):
        load(path.with_name("none.npy"))


@given(arrays(np.uint64, st.integers(0, 50), elements=st.integers(0, 60)), st.integers(0, 70))
@settings(max_examples=60, deadline=None)
def test_places_are_those_of_numpy(path: Path, array: Array, value: int) -> None:
    save(path, np.sort(array))
    assert load(path).place(value) == np.searchsorted(np.sort(array), value)
