"""Public corpora, fetched once from their public repositories: resumed, checked and kept in a cache."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import platformdirs
from pydantic import BaseModel, ConfigDict

from schemas.errors import InputError, UsageError
from stores.files import replaceable, turn

ATTEMPTS = 4
"""Connections tried for one file; each goes on where the last one broke."""

MAX_BYTES = 256 * 1024 * 1024
"""No public corpus here is as large: whoever sends more sends something else."""

TIMEOUT = httpx.Timeout(30.0)
"""Seconds to connect, and to wait for the next bytes."""

PAUSE = 0.5
"""Seconds before the second attempt; doubled before each further one."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class PublicCorpus:
    """Where a public data set is, what its file is called here, and the SHA-256 of its bytes."""

    url: str
    file: str
    sha256: str


CORPORA = {
    "seattle-hotels": PublicCorpus(
        "https://raw.githubusercontent.com/susanli2016/Machine-Learning-with-Python/master/Seattle_Hotels.csv",
        "Seattle_Hotels.csv",
        "63ffb1564b327f82a1d5c34f3a5083881a2e3908b1280a533151ec6c71a5b000",
    ),
    "journey-to-the-west": PublicCorpus(
        "https://raw.githubusercontent.com/cystanford/aigc_LLM_engineering/f7ebd5c5484db36fd49ca5493526a6a42b7f5d22/"
        "4-%E5%90%91%E9%87%8F%E6%95%B0%E6%8D%AE%E5%BA%93/word2vec/journey_to_the_west/source/journey_to_the_west.txt",
        "journey_to_the_west.txt",
        "4480726ca8759db080fe3e6342791eb9e707541b5a0b21239b37790c6fce7676",
    ),
}
"""The two data sets by name; the addresses may move, the checksums may not."""


class DownloadReport(BaseModel):
    """Where a corpus is now. ``cached``: it was there already; ``resumed_from``: bytes kept from an earlier run."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    url: str
    bytes: int
    sha256: str
    cached: bool
    resumed_from: int


def default_folder() -> Path:
    """The user's own cache folder."""
    return Path(platformdirs.user_cache_dir("xunyi", appauthor=False)) / "corpora"


def download(
    name: str,
    *,
    url: str | None = None,
    folder: str | Path | None = None,
    corpora: dict[str, PublicCorpus] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> DownloadReport:
    """Fetch the public corpus ``name``, from ``url`` where its usual address has moved.

    What a broken connection brought is kept beside the file and gone on from; bytes with another
    checksum are removed. A file that is there and right is not fetched again, and of several runs at
    once one fetches it while the others wait. ``progress`` is told the bytes that are there and the
    bytes there will be.

    Raises ``UsageError`` for an unknown name, what is no address and a folder that is none, ``InputError``
    where nothing comes or something else comes.
    """
    known = CORPORA if corpora is None else corpora
    if name not in known:
        raise UsageError(f"There is no public corpus {name!r}; there are {', '.join(known)}.")
    corpus = known[name]
    address = url or corpus.url
    if not _is_address(address):
        raise UsageError(f"--url {address} is no address; write http://HOST/PATH or https://HOST/PATH.")
    place = Path(folder) if folder is not None else default_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{place} is no folder and cannot be made one; name another with --folder.") from error
    except OSError as error:
        raise _unwritable(place, error) from error
    try:
        return _fetch(name, corpus, address, replaceable(place / corpus.file), progress or (lambda *_: None))
    except OSError as error:
        raise _unwritable(place, error) from error


def _is_address(url: str) -> bool:
    try:
        found = httpx.URL(url)
        found.raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return found.scheme in ("http", "https") and found.host != ""


def _unwritable(place: Path, error: OSError) -> InputError:
    remedy = "free some space, or name another folder" if error.errno in _NO_ROOM else "name another folder"
    return InputError(
        f"{error.filename or place} cannot be written ({error.strerror or error}); {remedy} with --folder."
    )


def _fetch(
    name: str, corpus: PublicCorpus, url: str, target: Path, progress: Callable[[int, int | None], None]
) -> DownloadReport:
    def report(cached: bool, resumed_from: int) -> DownloadReport:
        size = target.stat().st_size
        return DownloadReport(
            name=name,
            path=str(target),
            url=url,
            bytes=size,
            sha256=corpus.sha256,
            cached=cached,
            resumed_from=resumed_from,
        )

    def is_there() -> bool:
        return target.is_file() and _sha256(target) == corpus.sha256

    if is_there():
        return report(True, 0)
    # Two runs would write to one part; the second finds what the first has fetched.
    with turn(target.with_name(f".{target.name}.lock")):
        return report(True, 0) if is_there() else report(False, _fetch_anew(name, corpus, url, target, progress))


def _fetch_anew(
    name: str, corpus: PublicCorpus, url: str, target: Path, progress: Callable[[int, int | None], None]
) -> int:
    """Fetch the file, which nobody else fetches; gives how many bytes an earlier run had kept of it."""
    part = target.with_name(f"{target.name}.part")
    kept = part.stat().st_size if part.is_file() else 0
    resumed = _bring(url, part, progress)
    if resumed and _sha256(part) != corpus.sha256:
        # The bytes that were gone on from may be what is wrong: once from the beginning.
        part.unlink()
        _bring(url, part, progress)
        resumed = False
    found = _sha256(part)
    if found != corpus.sha256:
        part.unlink()
        raise InputError(
            f"{url} sent something else than {name} (SHA-256 {found[:12]}…, not {corpus.sha256[:12]}…); nothing was "
            f"kept, so look for another copy and name it with --url."
        )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    return kept if resumed else 0


def _bring(url: str, part: Path, progress: Callable[[int, int | None], None]) -> bool:
    """Fill ``part`` to the end, over as many connections as it takes; whether the last went on from earlier bytes.

    A redirect that leads nowhere is not tried again, nor is a refusal that stays.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _connection(url, part, progress)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise InputError(
                f"{url} redirects to something that is no http address; name a copy elsewhere with --url."
            ) from error
        except httpx.TooManyRedirects as error:
            raise InputError(f"{url} redirects without end; name a copy elsewhere with --url.") from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if attempt == ATTEMPTS or not (status == 429 or status >= 500):
                raise InputError(f"{url} answers {status}; name a copy elsewhere with --url.") from error
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS:
                raise _broken(url, part, error) from error
        time.sleep(PAUSE * 2 ** (attempt - 1))
    raise AssertionError("every last attempt returns or raises")


def _broken(url: str, part: Path, error: httpx.HTTPError) -> InputError:
    kept = part.stat().st_size if part.is_file() else 0
    why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    said = f"{url} cannot be fetched ({why}); check the network, or name a copy elsewhere with --url"
    return InputError(
        f"{said}; {kept:,} bytes are kept, and the same command goes on from there." if kept else f"{said}."
    )


def _connection(url: str, part: Path, progress: Callable[[int, int | None], None]) -> bool:
    """Fetch what ``part`` lacks, in one connection; whether that went on from bytes that were there."""
    have = part.stat().st_size if part.is_file() else 0
    # Compressed answers count other bytes than the file's, which a range could not go on from.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as response:
        if response.status_code == 416 and have:
            # Nothing follows what is there: it is whole, or it is something else, which the checksum tells.
            return True
        response.raise_for_status()
        resumed, whole = _range(response, have)
        if response.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise httpx.RemoteProtocolError("the server sent another range than it was asked for")
        at = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = whole or (at + int(length) if length.isdigit() else None)
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes():
                at += len(chunk)
                if at > MAX_BYTES:
                    file.close()
                    part.unlink()
                    raise InputError(
                        f"{url} sends more than {MAX_BYTES:,} bytes, so it is another file; nothing was kept, so name "
                        f"a copy elsewhere with --url."
                    )
                file.write(chunk)
                progress(at, total)
        if whole is not None and at < whole:
            raise httpx.RemoteProtocolError(f"the server sent {at:,} of {whole:,} bytes")
        return resumed and have > 0


def _range(response: httpx.Response, have: int) -> tuple[bool, int | None]:
    """Whether the answer goes on from the bytes that are there, and how many it says there are in all."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    # A compressed answer's range is one of other bytes.
    if response.status_code != 206 or found is None or int(found[1]) != have or "Content-Encoding" in response.headers:
        return False, None
    return True, int(found[2]) if found[2] != "*" else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
