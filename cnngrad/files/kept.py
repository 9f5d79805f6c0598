"""A folder that cnngrad fills: its mark lists the files that cnngrad made there, and only these are replaced."""

import json
import os
import shutil
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from threading import Lock

from cnngrad.errors import CnngradError
from cnngrad.files.opening import parts_of, write_document, writing

__all__ = ["MARK", "Kept"]

MARK = ".cnngrad"
# Maximum size of a mark, and maximum length of a file's name, in bytes.
_MOST_BYTES, _LONGEST = 2**24, 255


class Kept:
    """A folder, and the files that cnngrad made in it, by their relative paths.

    Attributes:
        folder: the folder.
        error: why something could not be kept, the first reason; None if everything was.
    """

    def __init__(self, folder: Path) -> None:
        """The folder, which need not exist yet, with the files that its mark lists."""
        self.folder = folder
        self.error: CnngradError | None = None
        # The files that cnngrad has made, including the mark itself if the folder has one.
        self._made, self._lock = set[str](), Lock()
        mark = folder / MARK
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            # Only a regular file: a link may lead to a user's file, and reading a pipe would wait.
            if stat.S_ISREG(mark.lstat().st_mode) and mark.stat().st_size <= _MOST_BYTES:
                listed = [PurePosixPath(each) for each in json.loads(mark.read_text())["made"] if "\0" not in each]
                # A mark may have been edited: nothing outside the folder is ours.
                ours = (str(path) for path in listed if ".." not in path.parts and not path.is_absolute())
                self._made = {MARK, *ours}

    def begin(self, names: Collection[str]) -> None:
        """Make the folder and its mark.

        Args:
            names: the files and folders that may be made in it.

        Raises:
            CnngradError: the folder is not empty and has no mark, or one of the names is taken.
        """
        with writing(str(self.folder)):
            if MARK not in self._made and self.folder.exists() and any(self.folder.iterdir()):
                raise CnngradError(f"{self.folder} is not empty and was not made by --keep: name a new folder")
            name, count = Counter((MARK, *names)).most_common(1)[0]
            if count > 1:
                raise CnngradError(f"{self.folder / name} would be written twice: rename one of the layers")
            for name in names:
                if max(map(len, map(os.fsencode, name.split("/")))) > _LONGEST:
                    raise CnngradError(f"{self.folder / name} is too long a name for a file: choose a shorter one")
                if not any(PurePosixPath(made).is_relative_to(name) for made in self._made):
                    self._require_free(name)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made.add(MARK)
            write_document(str(self.folder / MARK), self.listing())

    def require(self, names: Iterable[str]) -> None:
        """Raise a CnngradError if files of these names would replace something that cnngrad has not made."""
        for name in (MARK, *names):
            for folder in PurePosixPath(name).parents[:-1]:
                if (self.folder / folder).is_symlink() or not (self.folder / folder).is_dir():
                    self._require_free(str(folder))
            place = self.folder / name
            if name not in self._made or place.is_dir() or place.is_symlink():
                self._require_free(name)

    def _require_free(self, name: str) -> None:
        place = self.folder / name
        with suppress(FileNotFoundError):
            os.lstat(place)
            raise CnngradError(f"{place} exists and was not made by cnngrad, so it is not replaced: name a new folder")

    def listing(self, more: Iterable[str] = ()) -> str:
        """The mark's text, with files that are about to be made."""
        return json.dumps({"made": sorted({*self._made, *more} - {MARK})})

    def add(self, names: Collection[str]) -> None:
        """List files that are about to be made, and remove older ones; raises as `require` does."""
        self.require(names)
        self._made |= {*names}
        # Whole or not at all: what the mark lists must not be lost on a full disk.
        write_document(str(self.folder / MARK), self.listing())
        for name in names:
            # Unlink rather than overwrite: a backup may hold a hard link to the old file.
            (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def keeping(self, name: str) -> Iterator[None]:
        """While something is written under a name: an error is noted, since the run goes on without it."""
        try:
            with self._lock, writing(str(self.folder / name)):
                yield
        except CnngradError as error:
            self.error = self.error or error

    def save(self, name: str, text: str) -> None:
        """Write a file."""
        with self.keeping(name):
            self.add([name])
            write_document(str(self.folder / name), text)

    def put(self, name: str, source: Path) -> None:
        """Replace what is kept under a name by a copy of a folder; only regular files are copied."""
        with self.keeping(name):
            old = {made for made in self._made if made.startswith(f"{name}/")}
            found = list[Path]()
            # In folders nested deeper than Python's stack, as a program may leave them, rglob raises RecursionError.
            with suppress(RecursionError):
                found.extend(source.rglob("*"))
            copies = {
                f"{name}/{path.relative_to(source).as_posix()}": path
                for path in found
                if path.is_file() and not path.is_symlink()
            }
            self.add({*old, *copies})
            places = {self.folder / copy: path for copy, path in copies.items()}
            for place in places:
                place.parent.mkdir(parents=True, exist_ok=True)
            with parts_of(places) as parts:
                for place, path in places.items():
                    shutil.copy2(path, parts[place])
