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
  if (what === "search") at("ask").requestSubmit(); else at(what).click();
  await settled();
  told.push([what, asked.body.query, ranks(), at("back").hidden, at("on").hidden]);
};
addEventListener("load", async () => {
  await settled();
  for (const step of STEPS) if (typeof step === "string") await press(step); else fill(step);
  const body = JSON.stringify({ told, state: at("state").textContent, corpora: at("corpus").innerHTML });
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


def pressed(store, tmp_path, *steps):
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
            "--remote-debugging-port=0", f"{address}/probed",
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
