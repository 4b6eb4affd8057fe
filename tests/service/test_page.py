"""The search page in a real browser: what its buttons ask for. Skipped where there is no Chromium."""

import contextlib
import json
import shutil
import socket
import subprocess
import threading

import pytest

pytest.importorskip("fastapi", reason="the extra 'service' is not installed")

import uvicorn
from fastapi import Request, Response

from ingest import ingest
from schemas.ingest import CorpusOptions
from service.app import create_app

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)  # fmt: skip  # noqa: E501

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

PROBE = """{
const told = [];
const ranks = () => [...document.querySelectorAll(".rank")].map((one) => Number(one.textContent));
const settled = async () => { do await new Promise((go) => setTimeout(go, 20)); while (searching || !corpora.length); };
const fill = (values) => { for (const [name, value] of Object.entries(values)) at(name).value = value; };
const press = async (what) => {
  const popped = new Promise((go) => addEventListener("popstate", go, { once: true }));
  if (what === "search") at("ask").requestSubmit();
  else if (what === "browser's back") { history.back(); await popped; }
  else if (what === "as written") at("spelled").querySelector("button").click();
  else at(what).click();
  await settled();
  told.push([what, asked && asked.body.query, ranks(), at("back").hidden, at("on").hidden]);
};
addEventListener("load", async () => {
  await settled();
  for (const step of STEPS) if (typeof step === "string") await press(step); else fill(step);
  const body = JSON.stringify({
    told, state: at("state").textContent, corpora: at("corpus").innerHTML, link: location.search, ranks: ranks(),
    form: Object.fromEntries(["query", "where", "by", "limit"].map((name) => [name, at(name).value])),
    asked: asked && asked.body, explain: at("explain").checked, open: at("ask").querySelector("details").open,
    spaces: [...at("spaces").querySelectorAll("input:checked")].map((box) => box.value),
    titles: [...document.querySelectorAll("h2 bdi")].map((one) => one.textContent),
    spelled: at("spelled").hidden ? "" : at("spelled").textContent,
    wider: document.documentElement.scrollWidth - innerWidth,
  });
  await fetch("told", { method: "POST", body });
});
}"""


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    rows = [{"id": str(n), "title": f"{n}", "text": f"A quiet street, a river, house {n}."} for n in range(25)]
    (folder / "r.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ingest([folder / "r.jsonl"], "streets", store=str(folder / "store"), options=CorpusOptions(spaces=["tfidf"]))
    return folder / "store"


@contextlib.contextmanager
def served(app):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def pressed(store, tmp_path, *steps, link=""):
    app = create_app(str(store))
    page = next(route.endpoint for route in app.routes if getattr(route, "path", None) == "/")

    async def probed():
        content = (await page()).body.replace(b"</body>", b'<script src="probe.js" defer></script></body>')
        return Response(content, media_type="text/html")

    app.add_api_route("/probed", probed)
    script = PROBE.replace("STEPS", json.dumps(steps))
    app.add_api_route("/probe.js", lambda: Response(script, media_type="text/javascript"))
    told, ended = [], threading.Event()

    async def tell(request: Request):
        told.append(await request.json())
        ended.set()

    app.add_api_route("/told", tell, methods=["POST"])
    with served(app) as address:
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'chromium'}",
            "--remote-debugging-port=0", "--window-size=500,900", f"{address}/probed{link}",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as browser:
            try:
                assert ended.wait(40)
            finally:
                browser.terminate()
    return told[0]


def test_pages_are_those_of_what_was_asked_whatever_the_form_says_by_then(streets, tmp_path):
    told = pressed(
        streets, tmp_path,
        {"query": "street"}, "search", {"query": "river", "limit": "20"}, "on", "on", "back", "search", "on",
    )["told"]  # fmt: skip
    assert told == [
        ["search", "street", [*range(1, 11)], True, False],
        ["on", "street", [*range(11, 21)], False, False],
        ["on", "street", [*range(21, 26)], False, True],
        ["back", "street", [*range(11, 21)], False, False],
        ["search", "river", [*range(1, 21)], True, False],
        ["on", "river", [*range(21, 26)], False, True],
    ]


def test_a_damaged_corpus_is_named_and_the_others_are_searched(streets, tmp_path):
    store = shutil.copytree(streets, tmp_path / "store")
    (store / "broken").mkdir()
    (store / "broken" / "manifest.json").write_text("{")
    found = pressed(store, tmp_path)
    assert found["state"].startswith("broken: The corpus is damaged")
    assert found["corpora"] == '<option disabled="">broken</option><option>streets</option>'
    assert pressed(store, tmp_path, {"query": "river"}, "search")["told"][0][2] == [*range(1, 11)]


def test_no_next_page_is_offered_where_there_is_none(streets, tmp_path):
    told = pressed(streets, tmp_path, {"query": "street", "limit": "5"}, "search", *["on"] * 4)["told"]
    assert [step[-1] for step in told] == [False, False, False, False, True]
    assert told[-1][2] == [*range(21, 26)]


def test_a_link_brings_back_all_that_was_asked_and_the_browser_goes_back(streets, tmp_path):
    asked = {"query": "street", "where": "title!=3\ntitle!=1,000 and more; or less", "by": "document", "limit": "5"}
    found = pressed(
        streets, tmp_path, asked, "search", "on", {"query": "river", "where": ""}, "search", "browser's back"
    )
    assert found["ranks"] == [*range(6, 11)]
    assert found["form"] == asked
    assert found["asked"]["where"] == ["title!=3", "title!=1,000 and more; or less"]
    assert not found["asked"]["explain"]
    again = pressed(streets, tmp_path, link=found["link"])
    assert again["open"]
    assert {name: again[name] for name in ("form", "asked", "ranks", "link")} == {
        name: found[name] for name in ("form", "asked", "ranks", "link")
    }


def test_back_to_before_the_first_search_is_an_empty_page(streets, tmp_path):
    found = pressed(streets, tmp_path, {"query": "street"}, "search", "browser's back")
    assert (found["told"][-1], found["state"]) == (["browser's back", None, [], True, True], "")


def test_a_link_of_corpus_and_query_alone_is_searched_as_ever(streets, tmp_path):
    found = pressed(streets, tmp_path, link="?corpus=streets&query=river")
    assert found["ranks"] == [*range(1, 11)]
    assert (found["spaces"], found["explain"]) == (["tfidf"], False)


def test_titles_from_anywhere_stay_in_the_window_and_to_themselves(tmp_path):
    long = "x" * 400
    rows = [
        {"id": "plain-7", "title": "", "text": "A quiet street."},
        {"id": "b", "title": long, "text": f"A street of {long}."},
        {"id": "c", "title": "\u202eabc", "text": "A street."},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    store = tmp_path / "store"
    ingest([tmp_path / "r.jsonl"], "odd", store=str(store), options=CorpusOptions(spaces=["tfidf"]))
    found = pressed(store, tmp_path, link="?corpus=odd&query=street")
    assert sorted(found["titles"]) == sorted(["plain-7", long, "\u202eabc"])
    assert found["wider"] <= 0


def test_misspelt_words_are_named_and_a_button_asks_for_them_as_written(streets, tmp_path):
    found = pressed(streets, tmp_path, {"query": "rivver"}, "search")
    assert found["spelled"] == "“rivver” is taken as “river”. Search as written"
    assert found["ranks"] == [*range(1, 11)]
    written = pressed(streets, tmp_path, {"query": "rivver"}, "search", "as written")
    assert (written["spelled"], written["ranks"], written["state"]) == ("", [], "No hits.")
    assert "spelling=false" in written["link"]
    again = pressed(streets, tmp_path, link=written["link"])
    assert (again["asked"]["spelling"], again["state"]) == (False, "No hits.")
    assert pressed(streets, tmp_path, "search", link=written["link"])["spelled"] != ""
