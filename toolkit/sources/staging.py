"""A folder that appears whole or not at all: filled under a hidden name beside its place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import UserError


@contextmanager
def staged(dest: Path) -> Iterator[Path]:
    """Fill the folder that this yields; when the block ends well it becomes `dest`, on any error nothing is left.

    The folder's path is absolute. `dest` must not be there yet, or be an empty folder (UserError). Only SIGKILL can leave the
    hidden `.<name>.*` behind.
    """
    dest = dest.absolute()
    if dest.is_symlink() or (dest.exists() and (not dest.is_dir() or any(dest.iterdir()))):
        raise UserError(f"{dest} is there already and is not an empty folder", "name a folder that does not exist yet")
    dest.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(dest)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
