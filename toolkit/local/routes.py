"""A route store in one SQLite file, with the limits and the one ETag of a CloudFront KeyValueStore.

Several processes and threads may use it: updates take SQLite's write lock at once (BEGIN IMMEDIATE), readers see the last commit
(write-ahead log), and a commit is on the disk before `update` returns (synchronous=FULL; about 1 ms on an SSD).
`HotReads` is what a server asks on every request: values from memory, and one cheap question (about 5 µs) whether any other
connection has committed since.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.engine.batch import check_batch, check_store, pair_bytes
from toolkit.engine.errors import Conflict, Unavailable, UserError
from toolkit.engine.ports import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pairs (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store (id INTEGER PRIMARY KEY CHECK (id = 1), etag TEXT NOT NULL, items INTEGER NOT NULL,
                                  bytes INTEGER NOT NULL);
"""
_WAIT_SECONDS = 30.0
_HOT_KEYS = 50_000


class FileRoutes:
    """`engine.ports.RouteStore` in the SQLite file `path`, which is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def etag(self) -> str:
        return self._store()[0]

    def usage(self) -> Usage:
        _, items, size = self._store()
        return Usage(items=items, bytes=size)

    def get(self, key: str) -> str | None:
        with _readable(self.path):
            row = self._connection().execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def items(self) -> Iterator[tuple[str, str]]:
        with _readable(self.path):
            yield from self._connection().execute("SELECT key, value FROM pairs ORDER BY key").fetchall()

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        check_batch(puts, deletes)
        etag = uuid.uuid4().hex
        with _readable(self.path):
            connection = self._connection()
            with _transaction(connection):
                current, items, size = connection.execute("SELECT etag, items, bytes FROM store").fetchone()
                if current != if_match:
                    raise Conflict(f"{self.path} changed since it was read")
                for key in [*puts, *deletes]:
                    old = _size_of(connection, key)
                    items -= old is not None
                    size -= old or 0
                connection.executemany("DELETE FROM pairs WHERE key = ?", ((key,) for key in deletes))
                connection.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?)", puts.items())
                items += len(puts)
                size += sum(pair_bytes(key, value) for key, value in puts.items())
                check_store(size)
                connection.execute("UPDATE store SET etag = ?, items = ?, bytes = ?", (etag, items, size))
        return etag

    def hot_reads(self) -> HotReads:
        """Reads for one thread that asks the same keys again and again; closed with the thread's last use of it."""
        with _readable(self.path):
            self._connection()  # the schema is there before the other connection reads it
            return HotReads(self.path)

    def _store(self) -> tuple[str, int, int]:
        with _readable(self.path):
            etag, items, size = self._connection().execute("SELECT etag, items, bytes FROM store").fetchone()
        return etag, items, size

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._local.connection = _connect(self.path)
            with _transaction(connection):
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT OR IGNORE INTO store VALUES (1, ?, 0, 0)", (uuid.uuid4().hex,))
        return connection


class HotReads:
    """Values in memory that are dropped at the first `refresh` after another connection's commit. For one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cursor = _connect(path).cursor()
        self._version = -1
        self._values: dict[str, str | None] = {}

    def refresh(self) -> bool:
        """Call before each request; True when something was committed since the last call, so that nothing is held any more."""
        version = self._cursor.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return False
        self._version = version
        self._values.clear()
        return True

    def get(self, key: str) -> str | None:
        try:
            return self._values[key]
        except KeyError:
            pass
        with _readable(self._path):
            row = self._cursor.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        if len(self._values) >= _HOT_KEYS:  # hosts that visitors make up
            self._values.clear()
        value = self._values[key] = None if row is None else str(row[0])
        return value


def _size_of(connection: sqlite3.Connection, key: str) -> int | None:
    row = connection.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
    return None if row is None else pair_bytes(key, row[0])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # Of several that make a new file write ahead at once, SQLite refuses all but one without waiting: the connection's
            # timeout does not apply where waiting could be a deadlock (`sqlite3_busy_handler`).
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.002)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """SQLite's errors as the port has them: a passing fault, or something that the person at the terminal can mend."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Unavailable(f"{path} is locked by another process") from error
        if name.startswith("SQLITE_FULL"):
            raise UserError(f"no space left on {path.parent}", "free some space there; nothing was changed") from error
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")):
            raise UserError(f"{path} cannot be read or written: {error}", "check its owner, its mode and the disk") from error
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise UserError(f"{path} is damaged: {error}", "move it away and deploy the sites again") from error
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be made: {error.strerror}", "check the folder's owner and mode") from error
