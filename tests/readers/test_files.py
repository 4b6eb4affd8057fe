"""Which files are read, what is said of those that cannot be, and what each is called."""

import os

import pytest

from ingest import ingest
from ingest.readers import ReadOptions, find_sources, open_sources, told
from schemas.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, text="Some text.\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refuse(monkeypatch, function, *refused):
    """Have ``os.stat`` or ``os.scandir`` refuse some paths, as the system does to who is not root."""
    real = getattr(os, function)

    def refusing(path, *args, **kwargs):
        if os.fspath(path) in set(map(os.fspath, refused)):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, function, refusing)


def stems(*paths):
    return {os.path.relpath(source.path): source.stem for source in open_sources(paths)}


def test_files_of_one_name_in_folders_and_suffixes_are_each_called_otherwise(folder):
    for name in ("x/book.txt", "x/book.md", "y/book.txt", "y/book.md"):
        write(folder / "lib" / name)
    assert stems("lib") == {
        "lib/x/book.md": "x/book.md",
        "lib/x/book.txt": "x/book.txt",
        "lib/y/book.md": "y/book.md",
        "lib/y/book.txt": "y/book.txt",
    }


def test_a_name_with_its_suffix_is_no_other_file_s_name_without(folder):
    for name in ("book.txt", "book.md", "book.txt.md"):
        write(folder / "lib" / name)
    found = stems("lib")
    assert found["lib/book.md"] == "book.md"
    assert len(set(found.values())) == 3


def test_a_file_that_is_reached_twice_is_read_once(folder):
    write(folder / "f/a.txt")
    write(folder / "f/sub/a.txt")
    files = find_sources(["f", folder / "f", "f/a.txt"])
    assert [os.path.relpath(source.path) for source in files.sources] == ["f/a.txt", "f/sub/a.txt"]
    assert files.passed_over == {}


@pytest.mark.parametrize("link", ["b.txt", "0.txt"])
def test_of_a_file_and_links_to_it_the_file_is_read_and_the_links_are_told_of(folder, link):
    write(folder / "f/a.txt")
    (folder / "f" / link).symlink_to("a.txt")
    (folder / "f/gone.txt").symlink_to("nowhere.txt")
    files = find_sources(["f"])
    assert [source.path.name for source in files.sources] == ["a.txt"]
    assert told(files.passed_over, None) == ["Names passed over of files that are read by another name: 1."]


def test_links_to_folders_are_told_of_and_followed_where_they_are_named(folder):
    write(folder / "f/a.txt")
    write(folder / "f/notes.pdf")
    write(folder / "other/b.txt")
    (folder / "f/link").symlink_to(folder / "other")
    files = find_sources(["f"])
    assert told(files.passed_over, None) == [
        "Files passed over that are not read: 1 .pdf. "
        "Links to folders that are not followed: 1; give the folders to read them."
    ]
    assert len(find_sources(["f", "f/link"]).sources) == 2


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["empty.txt", "empty.csv", "empty.jsonl"])
def test_an_empty_file_of_a_folder_is_set_aside_and_the_others_are_read(folder, name, content):
    write(folder / "f/a.txt")
    (folder / "f" / name).write_bytes(content)
    files = find_sources(["f"])
    assert [source.path.name for source in files.sources] == ["a.txt"]
    assert [(row.source, row.reason) for row in files.unread] == [
        (f"f/{name}", "is empty; give a file with text in it.")
    ]
    with pytest.raises(InputError, match=f"f/{name} is empty"):
        find_sources(["f"], strict=True)
    (folder / "f/a.txt").unlink()
    with pytest.raises(InputError, match=f"f/{name} is empty"):
        find_sources(["f"])


def test_a_folder_that_cannot_be_listed_is_an_error_by_name_and_set_aside_within_another(folder, monkeypatch):
    write(folder / "f/a.txt")
    write(folder / "f/closed/b.txt")
    refuse(monkeypatch, "scandir", "f/closed")
    sentence = r"cannot be listed \(Permission denied\), so nothing in it is read; check its permissions"
    with pytest.raises(InputError, match=f"^f/closed {sentence}"):
        find_sources(["f/closed"])
    files = find_sources(["f"])
    assert [source.path.name for source in files.sources] == ["a.txt"]
    assert [row.source for row in files.unread] == ["f/closed"]
    with pytest.raises(InputError, match=f"^f/closed {sentence}"):
        find_sources(["f"], strict=True)


def test_a_file_that_cannot_be_looked_at_is_an_error_by_name_and_set_aside_within_a_folder(folder, monkeypatch):
    write(folder / "f/a.txt")
    write(folder / "f/b.csv")
    write(folder / "f/c.pdf")
    (folder / "f/deep").mkdir()
    refuse(monkeypatch, "stat", "f/b.csv", "f/c.pdf", "f/deep")
    sentence = r"cannot be read \(Permission denied\); check its permissions and those of the folders"
    with pytest.raises(InputError, match=f"^f/b.csv {sentence}"):
        find_sources(["f/b.csv"])
    files = find_sources(["f"])
    assert [source.path.name for source in files.sources] == ["a.txt"]
    assert [row.source for row in files.unread] == ["f/b.csv"]
    assert files.passed_over == {".pdf": 1}
    refuse(monkeypatch, "stat", "f/a.txt")
    with pytest.raises(InputError, match=f"^f/a.txt {sentence}"):
        find_sources(["f"])


def test_standard_input_and_pipes_are_not_read(folder):
    os.mkfifo(folder / "pipe")
    for path in ("-", "/dev/stdin", "pipe"):
        with pytest.raises(InputError, match="standard input and pipes are not read; write it to a file first"):
            open_sources([path])
    with pytest.raises(InputError, match="no regular file"):
        open_sources(["/dev/null"])
    write(folder / "-")
    assert len(open_sources(["-"])) == 1


@pytest.mark.parametrize("path", ["none.txt", "a.txt/b.txt", "a\0b"])
def test_a_path_that_leads_nowhere_does_not_exist(folder, path):
    write(folder / "a.txt")
    with pytest.raises(InputError, match="does not exist; check the path"):
        open_sources([path])


def test_a_file_that_vanishes_meanwhile_is_not_one_of_wrong_permissions(folder, monkeypatch):
    write(folder / "a.txt")
    (source,) = open_sources(["a.txt"], ReadOptions(kind="novel"))
    monkeypatch.setattr("ingest.readers.sources.find_encoding", lambda path, *_, **__: path.unlink() or "utf-8")
    with pytest.raises(InputError, match=r"^a.txt is not there any more; .*run the command again"):
        open_sources(["a.txt"], ReadOptions(kind="novel"))
    assert source.kind == "novel"


def test_an_empty_path_is_refused(folder):
    write(folder / "a.txt")
    with pytest.raises(UsageError, match="path is empty"):
        ingest("", "c", store=folder / "store")
