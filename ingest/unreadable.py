"""Files that the system does not let be read: whether one is gone, and what to say of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from schemas.errors import InputError

GONE = (FileNotFoundError, NotADirectoryError)


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there, or may be: one in a folder that cannot be looked into is not known to be gone."""
    try:
        return not stat.S_ISDIR(Path(path).stat().st_mode)
    except (*GONE, ValueError):
        return False
    except OSError:
        return True


def unreadable(path: Path, error: OSError) -> InputError:
    """What to say of a file, which was there before, that cannot be read."""
    if isinstance(error, GONE):
        return InputError(f"{path} is not there any more; it was moved or removed meanwhile, so run the command again.")
    why = f"{path} cannot be read ({error.strerror})"
    if isinstance(error, PermissionError):
        return InputError(f"{why}; check its permissions and those of the folders that it is in.")
    return InputError(f"{why}; check the path, and the disk that it is on.")


def unlisted(folder: Path, error: OSError) -> InputError:
    """What to say of a folder whose files cannot be found out."""
    return InputError(f"{folder} cannot be listed ({error.strerror}), so nothing in it is read; check its permissions.")
