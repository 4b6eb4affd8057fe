"""EPUB books: spine order, titles, and what is refused."""

import zipfile

import pytest

from ingest.readers import MetIds, ReadOptions, open_sources, read
from ingest.readers.epub import epub_text
from ingest.reading import documents_of
from schemas.errors import InputError, RowError

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
                archive.writestr(f"OPS/{name}.xhtml", body if isinstance(body, bytes) else page(body))
            if nav is not None and "nav" not in pages:
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
    (page,) = only(path)
    assert "unpacks to" in page.reason


def only(path):
    (source,) = open_sources([path])
    return list(read(source))


def test_the_readings_of_a_ruby_are_no_text_in_bodies_titles_and_navigation(make):
    named = "孫<ruby>悟<rp>(</rp><rt>wù</rt><rp>)</rp>空<rt>kōng</rt></ruby>"
    path = make(
        {
            "a": f"<h1>第一章 {named}</h1><p>{named}來了。</p>",
            "b": "<p>他<ruby>漢<rt>hàn<rtc><rt>kan</rtc></ruby>字。<ruby><rb>學</rb><rt>xué</ruby>。</p><p>完</p>",
        },
        nav=f"<nav><ol><li><a href='b.xhtml'>{named}</a></li></ol></nav>",
    )
    assert [(d.title, d.text.strip()) for d in only(path)] == [
        ("孫悟空", "孫悟空來了。"),
        ("孫悟空", "他漢字。學。\n完"),
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>暗</p>",
        '<p hidden="hidden">暗<em>暗</em></p>',
        "<p hidden>暗<p>",
        '<div style="color: red; display:none"><div>暗</div>暗</div>',
        '<span style="visibility: hidden">暗</span>',
        '<sup><a epub:type="noteref" href="#n">暗</a></sup>',
        '<a role="doc-noteref" href="#n">暗</a>',
        '<span epub:type="pagebreak">暗</span>',
    ],
)
def test_what_a_book_hides_and_the_signs_of_notes_and_pages_are_no_text(make, hidden):
    (document,) = only(make({"a": f"<h1>第一章 明</h1><p>明。</p>{hidden}<p>又明。</p>"}))
    assert [line for line in document.text.split("\n") if line.strip()] == ["明。", "又明。"]


def test_text_that_is_shown_stays_though_it_is_not_read_aloud_or_is_raised(make):
    (document,) = only(make({"a": '<h1>第一章</h1><p><span aria-hidden="true">T</span>he 2<sup>nd</sup>.</p>'}))
    assert document.text.strip() == "The 2nd."


LINES = "<h1>第一章 甲</h1>" + "<p>他走进门来，看见桌上放着一封信，心里不觉一惊。</p>" * 9


@pytest.mark.parametrize(
    "head",
    [
        '<html><head><meta charset="gbk"/></head>',
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=GB2312"/></head>',
        '<?xml version="1.0" encoding="gbk"?><html>',
        "<html>",
    ],
)
def test_a_page_is_decoded_as_it_declares_or_as_is_found(make, head):
    (document,) = only(make({"a": f"{head}<body>{LINES}</body></html>".encode("gbk")}))
    assert (document.title, document.text.count("心里不觉一惊")) == ("甲", 9)


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"<html><body>", "declares no encoding"),
        (b'<html><head><meta charset="utf-8"></head><body>', "no utf-8"),
        (b'<html><head><meta charset="no-such"></head><body>', "no no-such"),
    ],
)
def test_a_page_that_is_no_text_is_set_aside(make, start, reason):
    path = make({"a": start + bytes(range(128, 256)) * 9})
    (page,) = only(path)
    assert (page.source, page.line, page.repeats) == (str(path), None, False)
    assert page.reason.startswith("OPS/a.xhtml: ")
    assert reason in page.reason


def test_chapters_around_a_missing_page_are_called_as_in_the_whole_book(make):
    pages = {name: f"<h1>Chapter {n}</h1><p>Text of {name}.</p>" for n, name in enumerate("abcd", 1)}
    path = make(pages)
    whole = {document.id: document.title for document in only(path)}
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if not name.endswith("b.xhtml")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
    found = only(path)
    with pytest.raises(RowError, match=r"book\.epub: OPS/b\.xhtml: it is missing"):
        list(documents_of(open_sources([path]), ReadOptions(), True, MetIds()))
    assert found[1].reason == "OPS/b.xhtml: it is missing, the EPUB is damaged; make the file anew."
    assert {d.id: d.title for d in found if d is not found[1]} == {
        name: title for name, title in whole.items() if name != "book/0002"
    }


def test_a_package_may_be_in_another_encoding(make):
    path = make({"a": LINES})
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    package = files["OPS/book.opf"].decode()
    files["OPS/book.opf"] = ('<?xml version="1.0" encoding="gbk"?>' + package).encode("gbk")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert [d.payload["book"] for d in only(path)] == ["山海"]


def test_headings_are_seen_through_what_decorates_them_and_may_name_their_part(make):
    found = only(
        make({"a": "<h1>☆、第一章 甲</h1><p>甲的故事。</p>", "b": "<p>第一卷 少年游 第二章 乙</p><p>乙的故事。</p>"})
    )
    assert [(d.chapter, d.title, d.payload.get("part")) for d in found] == [
        ("第一章", "甲", None),
        ("第二章", "乙", "第一卷 少年游"),
    ]


def test_a_table_of_contents_within_a_page_is_left_out_and_the_chapters_below_stay(make):
    links = "<ol><li><a href='#a'>第一章 甲</a></li><li><a href='#b'>第二章 乙</a></li></ol>"
    chapters = "<h2>第一章 甲</h2><p>甲的故事。</p><h2>第二章 乙</h2><p>乙的故事。</p>"
    found = only(make({"a": f"<nav epub:type='toc'><h2>目录</h2>{links}</nav>{chapters}"}))
    assert [(d.title, d.text.strip()) for d in found] == [("甲", "甲的故事。"), ("乙", "乙的故事。")]
    # The same in the page that the package names as its navigation.
    whole = f"<h1>目录</h1><nav>{links}</nav>{chapters}"
    found = only(make({"nav": whole, "c": "<h1>第三章 丙</h1><p>丙的故事。</p>"}, nav=whole))
    assert [(d.title, d.payload.get("part")) for d in found] == [("甲", None), ("乙", None), ("丙", None)]


def test_text_in_sections_of_characters_is_text(make):
    body = "<h1>第一章</h1><p><![CDATA[他说 1 < 2 & 走了。]]></p><script>//<![CDATA[\nx()\n//]]></script><p>完。</p>"
    (document,) = only(make({"a": body}))
    assert document.text.split("\n")[1:] == ["他说 1 < 2 & 走了。", "完。", ""]


def test_pages_beside_the_story_are_read_in_their_place(make):
    path = make({"a": "<h1>第一章</h1><p>甲的故事。</p>", "notes": "<h1>注释</h1><p>一条注释。</p>"})
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["OPS/book.opf"] = files["OPS/book.opf"].replace(b'idref="notes"', b'idref="notes" linear="no"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert [(d.title, d.text.strip()) for d in only(path)] == [("第一章", "甲的故事。"), ("注释", "一条注释。")]


@pytest.mark.parametrize(
    "text", ["他走进门来，看见桌上放着一封信。", "He came in through the door and saw it lying there " * 3]
)
def test_a_chapter_whose_text_stands_in_links_is_read(make, text):
    (document,) = only(make({"a": "<h1>第一章</h1>" + f"<p><a href='n.xhtml'>{text}</a></p>" * 9}))
    assert document.text.count(text.strip()) == 9


def test_links_to_other_sites_are_no_table_of_contents(make):
    text = "".join(f"<p><a href='https://s{n}.example/'>他走进门来，看见一封信。</a></p>" for n in range(9))
    (document,) = only(make({"a": f"<h1>第一章</h1>{text}"}))
    assert document.text.count("看见一封信") == 9


@pytest.mark.parametrize(
    "name", ["第{}章 他来了！", "Chapter {}. The Boy.", "Chapter {}. " + "In Which He Goes Out " * 9]
)
@pytest.mark.parametrize("start", ["<h2>目录</h2>", "<p>Contents</p>", ""])
def test_a_table_of_contents_whose_entries_read_like_sentences_is_left_out(make, name, start):
    entries = "".join(f"<p><a href='c{n}.xhtml#top'>{name.format(n)}</a></p>" for n in range(1, 6))
    pages = {f"c{n}": f"<h1>第{n}章</h1><p>第{n}章的故事。</p>" for n in range(1, 6)}
    found = only(make({"toc": start + entries, **pages}))
    assert [d.text.strip() for d in found] == [f"第{n}章的故事。" for n in range(1, 6)]


def test_a_page_whose_head_has_no_end_is_read(make):
    page = "<html><head><title>T</title><body><h1>第一章</h1><p>甲的故事。</p></body></html>"
    assert [d.text.strip() for d in only(make({"a": page.encode()}))] == ["甲的故事。"]
