"""Public corpora, fetched once from their public repositories: resumed, checked and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import platformdirs
from pydantic import BaseModel, ConfigDict

from schemas.errors import InputError, UsageError

ATTEMPTS = 4
"""Connections tried for one file; each goes on where the last one broke."""

MAX_BYTES = 256 * 1024 * 1024
"""No public corpus here is as large: whoever sends more sends something else."""

TIMEOUT = httpx.Timeout(30.0)
"""Seconds to connect, and to wait for the next bytes."""

PAUSE = 0.5
"""Seconds before the second attempt; doubled before each further one."""


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
    checksum are removed. A file that is there and right is not fetched again. ``progress`` is told
    the bytes that are there and the bytes there will be.

    Raises ``UsageError`` for an unknown name or address, ``InputError`` where nothing comes or
    something else comes.
    """
    known = CORPORA if corpora is None else corpora
    if name not in known:
        raise UsageError(f"There is no public corpus {name!r}; there are {', '.join(known)}.")
    corpus = known[name]
    address = url or corpus.url
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"--url {address}: write an address that begins with http:// or https://.")
    place = Path(folder) if folder is not None else default_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        return _fetch(name, corpus, address, place / corpus.file, progress or (lambda *_: None))
    except OSError as error:
        raise InputError(
            f"{place} cannot be written ({error.strerror or error}); free some space, or name another with --folder."
        ) from error


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

    if target.is_file() and _sha256(target) == corpus.sha256:
        return report(True, 0)
    part = target.with_name(f"{target.name}.part")
    kept = part.stat().st_size if part.is_file() else 0
    _bring(url, part, progress)
    if _sha256(part) != corpus.sha256 and kept:
        # The bytes kept from an earlier run may be what is wrong: once from the beginning.
        part.unlink()
        kept = 0
        _bring(url, part, progress)
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
    return report(False, kept)


def _bring(url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
    """Fill ``part`` to the end, over as many connections as it takes."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _connection(url, part, progress)
            return
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise UsageError(f"--url {url}: is no address; write http://HOST/PATH or https://HOST/PATH.") from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if attempt == ATTEMPTS or not (status == 429 or status >= 500):
                raise InputError(f"{url} answers {status}; name a copy elsewhere with --url.") from error
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS:
                kept = part.stat().st_size if part.is_file() else 0
                raise InputError(
                    f"{url} cannot be fetched ({type(error).__name__}); {kept:,} bytes are kept, and the same command "
                    f"goes on from there."
                ) from error
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _connection(url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
    have = part.stat().st_size if part.is_file() else 0
    # Compressed answers count other bytes than the file's, which a range could not go on from.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            # Nothing follows what is there: it is whole, or it is something else, which the checksum tells.
            return
        response.raise_for_status()
        resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise httpx.RemoteProtocolError("the server sent another range than it was asked for")
        at = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = at + int(length) if length.isdigit() else None
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes():
                at += len(chunk)
                if at > MAX_BYTES:
                    file.close()
                    part.unlink()
                    raise InputError(
                        f"{url} sends more than {MAX_BYTES:,} bytes, so it is another file; nothing was kept."
                    )
                file.write(chunk)
                progress(at, total)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
