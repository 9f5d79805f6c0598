"""cnngrad: the gradients of a convolution layer, with their working.

The public names load on first use, so that `cnngrad --version` needs no NumPy.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cnngrad.errors import CnngradError
    from cnngrad.functions import backward, forward
    from cnngrad.programs.suites import suite
    from cnngrad.results import check, check_function, derive

__all__ = ["CnngradError", "backward", "check", "check_function", "derive", "forward", "suite"]
__version__ = "0.1.0"

_HOMES = {
    "CnngradError": "errors",
    "backward": "functions",
    "check": "results",
    "check_function": "results",
    "derive": "results",
    "forward": "functions",
    "suite": "programs.suites",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnngrad' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"cnngrad.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
