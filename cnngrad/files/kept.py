"""A folder that cnngrad fills: its mark lists the files that cnngrad made there, and only these are replaced."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from threading import Lock

from cnngrad.errors import CnngradError
from cnngrad.files.opening import writing

__all__ = ["MARK", "Kept"]

MARK = ".cnngrad"


class Kept:
    """A folder, and the files that cnngrad made in it, by their relative paths."""

    def __init__(self, folder: Path) -> None:
        """The folder, which need not exist yet, with the files that its mark lists."""
        self.folder = folder
        self._is_marked, self._made, self._lock = False, set[str](), Lock()
        with suppress(OSError, ValueError, TypeError, KeyError):
            listed = map(PurePosixPath, json.loads((folder / MARK).read_text())["made"])
            # A mark may have been edited: nothing outside the folder is ours.
            self._made = {str(path) for path in listed if ".." not in path.parts and not path.is_absolute()}
            # A link leads to a file of the user's.
            self._is_marked = not (folder / MARK).is_symlink()

    def begin(self, names: Collection[str]) -> None:
        """Make the folder and its mark.

        Args:
            names: the files and folders that may be made in it.

        Raises:
            CnngradError: the folder is not empty and has no mark, or one of the names is taken.
        """
        with writing(str(self.folder)):
            if not self._is_marked and self.folder.exists() and any(self.folder.iterdir()):
                raise CnngradError(f"{self.folder} is not empty and was not made by --keep: name a new folder")
            name, count = Counter((MARK, *names)).most_common(1)[0]
            if count > 1:
                raise CnngradError(f"{self.folder / name} would be written twice: rename one of the layers")
            for name in names:
                if not any(PurePosixPath(made).is_relative_to(name) for made in self._made):
                    self._require_free(name)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._is_marked = True
            (self.folder / MARK).write_text(self.listing())

    def require(self, names: Iterable[str]) -> None:
        """Raise a CnngradError if files of these names would replace something that cnngrad has not made."""
        ours = self._made.union([MARK] if self._is_marked else [])
        for name in (MARK, *names):
            for folder in PurePosixPath(name).parents[:-1]:
                if (self.folder / folder).is_symlink() or not (self.folder / folder).is_dir():
                    self._require_free(str(folder))
            place = self.folder / name
            if name not in ours or place.is_dir() or place.is_symlink():
                self._require_free(name)

    def _require_free(self, name: str) -> None:
        place = self.folder / name
        with suppress(FileNotFoundError):
            os.lstat(place)
            raise CnngradError(f"{place} exists and was not made by cnngrad, so it is not replaced: name a new folder")

    def listing(self, more: Iterable[str] = ()) -> str:
        """The mark's text, with files that are about to be made."""
        return json.dumps({"made": sorted({*self._made, *more})})

    def add(self, names: Collection[str]) -> None:
        """List files that are about to be made, and remove older ones; raises as `require` does."""
        self.require(names)
        self._made |= {*names}
        (self.folder / MARK).write_text(self.listing())
        for name in names:
            # A hard link to it, as a backup has, keeps what it shows.
            (self.folder / name).unlink(missing_ok=True)

    def save(self, name: str, text: str) -> None:
        """Write a file."""
        with self._lock, writing(str(self.folder / name)):
            self.add([name])
            (self.folder / name).write_text(text, encoding="utf-8")

    def put(self, name: str, source: Path) -> None:
        """Replace what is kept under a name by a copy of a folder; only regular files are copied."""
        with self._lock, writing(str(self.folder / name)):
            old = {made for made in self._made if made.startswith(f"{name}/")}
            copies = {
                f"{name}/{path.relative_to(source).as_posix()}": path
                for path in source.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
            self.add({*old, *copies})
            for copy, path in copies.items():
                (self.folder / copy).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, self.folder / copy)
