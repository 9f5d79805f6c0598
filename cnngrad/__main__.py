"""The entry point of `cnngrad` and `python -m cnngrad`."""

import sys

__all__ = ["run"]


def run() -> int:
    """Run the process's command line and return its exit code."""
    try:
        from cnngrad.cli.session import Session

        session = Session.of_process()
        session.catch_signals()
    except KeyboardInterrupt:
        # Python's own answer to Ctrl-C, before ours is in place.
        if sys.stderr is not None:
            sys.stderr.write("cnngrad: interrupted\n")
        return 130
    import gc

    from cnngrad.cli.main import main

    code = main(session=session)
    session.ignore_signals()
    # Otherwise Python's final garbage collection scans every loaded object: a tenth of a short command's time.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(run())
