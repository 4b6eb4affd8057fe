"use strict";
const at = (id) => document.getElementById(id);
const make = (tag, text, kind) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
};
// What was asked last: its pages are asked by it, whatever the form says by then.
let asked = null, searching = false, last = 0, corpora = [];
// Of a link: the names are those that GET /v1/corpora/NAME/search takes. What is the default is left out.
const PLAIN = { by: "passage", limit: 10, offset: 0, explain: false, spelling: true };

async function ask(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (at("key").value) headers.Authorization = "Bearer " + at("key").value;
  const response = await fetch(path, { ...options, headers });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    if (response.status === 401) at("ask").querySelector("details").open = true;
    throw new Error(body.error ? body.error.message : "The service answered " + response.status + ".");
  }
  return body;
}

function say(text, bad = false) {
  at("state").textContent = text;
  at("state").className = bad ? "error" : "";
}

// Spans count characters, and a character may be two of JavaScript's units.
function marked(snippet) {
  const characters = Array.from(snippet.text), line = make("p", undefined, "text");
  line.dir = "auto";
  let done = 0;
  for (const [start, end] of snippet.highlights) {
    if (start < done) continue;
    line.append(characters.slice(done, start).join(""), make("mark", characters.slice(start, end).join("")));
    done = end;
  }
  line.append(characters.slice(done).join(""));
  return line;
}

function scores(hit) {
  const row = make("p", undefined, "scores");
  row.append(make("span", "score " + hit.score.toFixed(3)));
  const spaces = Object.entries(hit.spaces).sort((a, b) => b[1].share - a[1].share);
  for (const [name, found] of spaces) {
    const part = make("span", name + " " + (found.rank ? "#" + found.rank + " " : "") + found.score.toFixed(3) + " ");
    const meter = make("meter");
    meter.value = Math.max(0, Math.min(1, found.share));
    meter.title = Math.round(found.share * 100) + " % of the score";
    part.append(meter);
    row.append(part);
  }
  return row;
}

function shown(hit) {
  const item = make("li"), head = make("h2");
  // A title may hold marks that turn round what follows them: its direction ends with it.
  head.append(make("span", String(hit.rank), "rank"), make("bdi", hit.title.trim() ? hit.title : hit.document_id));
  item.append(head);
  if (hit.chapter) {
    const chapter = make("div", undefined, "chapter");
    chapter.append(make("bdi", hit.chapter));
    item.append(chapter);
  }
  item.append(marked(hit.snippet), scores(hit));
  if (hit.passages.length > 1) {
    const more = make("ul");
    for (const passage of hit.passages) {
      const inner = make("li");
      inner.append(marked(passage.snippet));
      more.append(inner);
    }
    item.append(more);
  }
  return item;
}

// Words that the corpus does not know were taken as others: it is said, and a button asks for them as they are.
function spelled(taken) {
  const words = Object.entries(taken);
  const line = at("spelled");
  line.replaceChildren(words.map(([word, other]) => "“" + word + "” is taken as “" + other + "”").join(", ") + ". ");
  const again = make("button", "Search as written");
  again.type = "button";
  again.addEventListener("click", () => search({ corpus: asked.corpus, body: { ...asked.body, spelling: false, offset: 0 } }));
  line.append(again);
  line.hidden = !words.length;
}

// A value may hold any character but a line break.
function conditions() {
  return at("where").value.split("\n").map((line) => line.trim()).filter(Boolean);
}

function request() {
  const chosen = [...at("spaces").querySelectorAll("input:checked")].map((box) => box.value);
  const all = at("spaces").querySelectorAll("input").length;
  const body = {
    query: at("query").value, limit: Number(at("limit").value) || PLAIN.limit, offset: 0, by: at("by").value,
    explain: at("explain").checked, spelling: PLAIN.spelling, where: conditions(),
    spaces: chosen.length && chosen.length < all ? chosen : null,
  };
  return { corpus: at("corpus").value, body };
}

function link({ corpus, body }) {
  const said = new URLSearchParams({ corpus, query: body.query });
  for (const [name, plain] of Object.entries(PLAIN)) if (body[name] !== plain) said.set(name, body[name]);
  for (const name of ["where", "spaces"]) for (const value of body[name] || []) said.append(name, value);
  return "?" + said;
}

// What a link asks for goes into the form too, so that the next search is like it.
function restore() {
  const given = new URLSearchParams(location.search);
  if (corpora.some((one) => one.corpus === given.get("corpus"))) at("corpus").value = given.get("corpus");
  spaces(given.getAll("spaces"));
  at("query").value = given.get("query") || "";
  at("where").value = given.getAll("where").join("\n");
  at("by").value = given.get("by") === "document" ? "document" : PLAIN.by;
  at("limit").value = Math.min(100, Math.max(1, Math.trunc(Number(given.get("limit"))) || PLAIN.limit));
  at("explain").checked = given.get("explain") === "true";
  // What narrows the answers must be seen.
  if (["where", "spaces", "by", "explain"].some((name) => given.has(name))) at("ask").querySelector("details").open = true;
  if (!given.get("query")) { clear(); return; }
  const wanted = request();
  wanted.body.spelling = given.get("spelling") !== "false";
  wanted.body.offset = Math.max(0, Math.trunc(Number(given.get("offset"))) || 0);
  search(wanted, false);
}

function empty() {
  at("hits").replaceChildren();
  at("spelled").hidden = at("back").hidden = at("on").hidden = true;
}

function clear() {
  last += 1;
  asked = null;
  searching = false;
  empty();
}

async function search(wanted, anew = true) {
  const { corpus, body } = asked = wanted, mine = ++last;
  searching = true;
  say("Searching…");
  const address = link(wanted);
  if (anew && address !== location.search) history.pushState(null, "", address);
  try {
    const path = "v1/corpora/" + encodeURIComponent(corpus) + "/search";
    // One hit more than is shown tells whether another page follows.
    const answer = await ask(path, { method: "POST", body: JSON.stringify({ ...body, limit: body.limit + 1 }) });
    if (mine !== last) return;
    at("hits").replaceChildren(...answer.hits.slice(0, body.limit).map(shown));
    spelled(answer.spelled);
    at("back").hidden = body.offset === 0;
    at("on").hidden = answer.hits.length <= body.limit;
    const took = answer.took_ms;
    say(answer.hits.length ? took.total.toFixed(0) + " ms (encoding " + took.encode.toFixed(0) + ", search " + took.search.toFixed(0) + ")" : "No hits.");
  } catch (error) {
    if (mine === last) { empty(); say(error.message, true); }
  } finally {
    if (mine === last) searching = false;
  }
}

// While an answer is on its way, the page that is shown is not the one that was asked last.
function turn(step) {
  if (!asked || searching) return;
  const { corpus, body } = asked;
  search({ corpus, body: { ...body, offset: Math.max(0, body.offset + step * body.limit) } });
}

function spaces(chosen = []) {
  const found = corpora.find((one) => one.corpus === at("corpus").value);
  const boxes = Object.keys((found && found.spaces) || {}).map((name) => {
    const label = make("label"), box = make("input");
    box.type = "checkbox"; box.value = name; box.checked = !chosen.length || chosen.includes(name);
    label.append(box, name);
    return label;
  });
  at("spaces").replaceChildren(make("legend", "Spaces"), ...boxes);
}

async function start() {
  try {
    corpora = (await ask("v1/corpora")).corpora;
    const options = corpora.map((one) => make("option", one.corpus));
    options.forEach((option, n) => { option.disabled = Boolean(corpora[n].error); });
    at("corpus").replaceChildren(...options);
    const wrong = corpora.filter((one) => one.error).map((one) => one.corpus + ": " + one.error).join(" ");
    say(corpora.length ? wrong : "No corpora yet; make one with: xunyi ingest FILE --corpus NAME", Boolean(wrong));
    if (location.search) restore(); else spaces();
  } catch (error) {
    say(error.message, true);
  }
}

at("ask").addEventListener("submit", (event) => { event.preventDefault(); search(request()); });
at("corpus").addEventListener("change", () => spaces());
addEventListener("popstate", () => { if (corpora.length) { say(""); restore(); } });
at("key").addEventListener("change", start);
at("back").addEventListener("click", () => turn(-1));
at("on").addEventListener("click", () => turn(1));
start();
