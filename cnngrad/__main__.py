"""`python -m cnngrad`."""

import sys

from cnngrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
