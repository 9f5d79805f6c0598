"""The program: `cnngrad`, and `python -m cnngrad`."""

import gc
import sys

from cnngrad.cli import main

__all__ = ["run"]


def run() -> int:
    """Run the process's command line and return its exit code."""
    code = main()
    # Python would look through all that is loaded for garbage before it ends: a tenth of a short command's time.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(run())
