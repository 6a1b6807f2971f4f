"""The texts of the page: one table in four languages, and nothing visible that is not in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import affekt

WEB = Path(affekt.__file__).parent / "web"
LANGUAGES = ("en", "de", "fr", "es")
ENTRY = re.compile(r'^  "([^"]+)": (\{ .* \}),$', re.MULTILINE)
#: What is the same in every language: names, signs, and what a script fills in.
SIGNS = {"affekt", "−", "+", "–", "…", "0:00.0"}
VOID = {"meta", "link", "input", "img", "br", "circle", "path"}
#: The page of documentation speaks English only.
OTHER_PAGES = {"docs.js"}


def table():
    source = (WEB / "strings.js").read_text(encoding="utf-8")
    found = ENTRY.findall(source)
    return [(key, json.loads(re.sub(r"(\{|,) (\w\w): ", r'\1 "\2": ', entry))) for key, entry in found]


class Page(HTMLParser):
    """Texts of the page that can be seen or heard, each with the key that its element names, or None."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.wrong = [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        for name in ("aria-label", "placeholder", "alt", "title", "content"):
            is_text = given.get(name) and (name != "content" or given.get("name") == "description")
            if is_text:
                self.texts.append((given[name], given.get(f"data-t-{name}")))
        if tag not in VOID:
            silent = (
                tag in ("script", "style", "svg") or given.get("translate") == "no" or any(s for _, _, s in self.open)
            )
            self.open.append((tag, given.get("data-t"), silent))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        text = " ".join(data.split())
        if text and text not in SIGNS and self.open and not self.open[-1][2]:
            self.texts.append((text, self.open[-1][1]))


def test_every_text_is_there_in_four_languages():
    entries = table()
    assert len(entries) > 250 and len({key for key, _ in entries}) == len(entries)
    wrong = [key for key, texts in entries if tuple(texts) != LANGUAGES or not all(texts.values())]
    assert wrong == []


def test_what_is_filled_in_is_the_same_in_every_language():
    holes = lambda text: sorted(re.findall(r"\{(\w+)\}", text))  # noqa: E731
    wrong = [key for key, texts in table() if any(holes(text) != holes(texts["en"]) for text in texts.values())]
    assert wrong == []


@pytest.mark.parametrize(("name", "least"), [("index.html", 150), ("attendance.html", 60)])
def test_nothing_on_the_page_is_left_in_english(name, least):
    page = Page()
    page.feed((WEB / name).read_text(encoding="utf-8"))
    english = {key: texts["en"] for key, texts in table()}
    assert len(page.texts) > least
    assert [(text, key) for text, key in page.texts if english.get(key) != text] == []


def test_scripts_name_no_text_that_is_not_in_the_table():
    known = {key for key, _ in table()}
    prefixes = {key.rpartition(".")[0] for key in known}
    wrong = []
    for path in WEB.glob("*.js"):
        source = path.read_text(encoding="utf-8")
        for key in re.findall(r'\bt\("([^"]+)"', source) + re.findall(r'\bsay\([^;]*?"([a-z]+\.[a-z.]+)"', source):
            if key not in known:
                wrong.append((path.name, key))
        for start in re.findall(r"\bt\(`([a-z.]+)\.\$\{", source):
            if start not in prefixes:
                wrong.append((path.name, start))
    assert wrong == []


def test_no_script_of_the_page_has_a_sentence_of_its_own():
    sentence = re.compile(r"""["`](?:[A-Z][a-z]+|\$\{[^}]*\}) (?:[a-z]+ )+[^"`]*["`]""")
    wrong = []
    for path in sorted(WEB.glob("*.js")):
        if path.name in OTHER_PAGES | {"strings.js"}:
            continue
        code = re.sub(r"^\s*(//|\*|/\*).*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        wrong += [(path.name, found) for found in sentence.findall(code)]
    assert wrong == []


def test_every_text_of_the_table_is_used():
    sources = "".join(
        p.read_text(encoding="utf-8") for p in WEB.glob("*") if p.suffix in (".js", ".html") and p.name != "strings.js"
    )
    built = {"label", "said", "who", "sets", "state", "view.counts", "downloads", "tabs"}  # keys that are put together
    unused = [
        key
        for key, _ in table()
        if f'"{key}"' not in sources and not any(key.startswith(f"{start}.") for start in built)
    ]
    assert unused == []
