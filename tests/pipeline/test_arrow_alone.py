"""Arrow without pandas, in a process of its own: what it looked for it never looks for again."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_arrays_are_made_without_pandas() -> None:
    run(
        "import sys\n"
        "import pyarrow as pa\n"
        "from pipeline.arrow_alone import forgo_pandas\n"
        "finders = list(sys.meta_path)\n"
        "forgo_pandas()\n"
        "assert sys.meta_path == finders\n"
        "assert pa.chunked_array([pa.array(['a', None])]).to_numpy().tolist() == ['a', None]\n"
        "assert pa.scalar(1).as_py() == 1\n"
        "assert 'pandas' not in sys.modules\n"
    )


def test_pandas_is_there_for_who_asks() -> None:
    pytest.importorskip("pandas")
    run(
        "from pipeline.arrow_alone import forgo_pandas\n"
        "forgo_pandas()\n"
        "import pandas as pd, pyarrow as pa\n"
        "assert pa.table({'a': [1, 2]}).to_pandas()['a'].tolist() == [1, 2]\n"
        "assert pa.Table.from_pandas(pd.DataFrame({'a': [3]}))['a'].to_pylist() == [3]\n"
    )


def test_a_process_with_pandas_keeps_it() -> None:
    pytest.importorskip("pandas")
    run(
        "import pandas as pd, pyarrow as pa\n"
        "from pipeline.arrow_alone import forgo_pandas\n"
        "forgo_pandas()\n"
        "assert pa.array(pd.Series([1.0, float('nan')])).to_pylist() == [1.0, None]\n"
    )
