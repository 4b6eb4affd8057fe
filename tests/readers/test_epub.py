"""EPUB books: spine order, titles, and what is refused."""

import zipfile

import pytest

from ingest.readers import open_sources, read
from ingest.readers.epub import epub_text
from schemas.errors import InputError

CONTAINER = '<?xml version="1.0"?><container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'


def page(body):
    return f'<?xml version="1.0" encoding="utf-8"?><html><head><title>T</title></head><body>{body}</body></html>'


@pytest.fixture
def make(tmp_path):
    def run(pages, nav=None, extra=None):
        path = tmp_path / "book.epub"
        items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in pages)
        if nav is not None:
            items += '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        spine = "".join(f'<itemref idref="{n}"/>' for n in pages)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", "application/epub+zip")
            archive.writestr("META-INF/container.xml", CONTAINER)
            archive.writestr(
                "OPS/book.opf",
                f'<package xmlns:dc="d"><metadata><dc:title>山海</dc:title></metadata><manifest>{items}</manifest>'
                f"<spine>{spine}</spine></package>",
            )
            for name, body in pages.items():
                archive.writestr(f"OPS/{name}.xhtml", page(body))
            if nav is not None:
                archive.writestr("OPS/nav.xhtml", page(nav))
            for name, data in (extra or {}).items():
                archive.writestr(name, data)
        return path

    return run


def test_chapters_come_in_the_spines_order_with_titles_from_headings_and_navigation(make):
    path = make(
        {
            "cover": "<img src='x.png'/>",
            "toc": "<h1>目录</h1><p><a href='z.xhtml'>第一章 出海</a></p><p><a href='a.xhtml'>第二章 归来</a></p>"
            "<p><a href='n.xhtml'>后来的许多故事与许多故事</a></p>",
            "z": "<h1>第一章 出海</h1><p>船&nbsp;开了。</p><p>风很大。</p><script>var x;</script>",
            "a": "<p>第二章 归来</p><p>船回来了 &amp; 靠岸。</p>",
            "n": "<p>没有标题的一章。</p>",
        },
        nav="<nav><ol><li><a href='z.xhtml#x'>第一章 出海</a></li><li><a href='n.xhtml'>后来</a></li></ol></nav>",
    )
    (source,) = open_sources([path])
    found = list(read(source))
    assert [(d.chapter, d.title) for d in found] == [("第一章", "出海"), ("第二章", "归来"), ("后来", "后来")]
    assert [d.text.split("\n")[0] for d in found][1:] == ["船回来了 & 靠岸。", "没有标题的一章。"]
    assert found[0].payload == {"book": "山海"}
    text = epub_text(path)
    for document in found:
        for piece in document.stretches:
            assert text[piece.source_start :][: piece.length] == document.text[piece.text_start :][: piece.length]
    assert all("var x" not in d.text for d in found)


def test_a_broken_epub_is_refused(tmp_path, make):
    path = tmp_path / "broken.epub"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="EPUB"):
        open_sources([path])
    whole = make({"a": "<h1>One</h1><p>Text of it.</p>"})
    path.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(InputError, match="EPUB"):
        open_sources([path])


def test_a_zip_bomb_is_refused(make):
    path = make({"a": "<p>" + "a" * 20_000_000 + "</p>"})
    with pytest.raises(InputError, match="unpacks to"):
        [list(read(source)) for source in open_sources([path])]
