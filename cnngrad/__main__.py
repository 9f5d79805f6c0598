"""The entry point of `cnngrad` and `python -m cnngrad`."""

import sys

__all__ = ["run"]


def run() -> int:
    """Run the process's command line and return its exit code."""
    try:
        from cnngrad.cli.session import Session

        session = Session.of_process()
        session.catch_signals()

        import gc
        import os

        from cnngrad.cli.limits import guard, is_limited
        from cnngrad.cli.main import main

        guard()
    except KeyboardInterrupt:
        # Ctrl-C before our signal handlers are installed.
        return _ended(130, "interrupted")
    except (ImportError, MemoryError) as error:
        return _ended(2, f"can't start: {str(error) or 'there is not enough memory'}")
    code = main(session=session)
    session.ignore_signals()
    if is_limited():
        os._exit(code)
    # Spares the final garbage collection every loaded object: a tenth of a short command's time.
    gc.freeze()
    return code


def _ended(code: int, message: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(f"cnngrad: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(run())
