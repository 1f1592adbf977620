"""Takes the English text out of documentation packages: what language.py learns from.

Usage: text.py OUT HELD_OUT PACKAGE.deb... (`apt-get download postgresql-doc-15 ...`). Pages are shuffled with a fixed seed; one in 200 goes
to HELD_OUT and is never learned from. Markup, menus and lines that repeat on many pages are left out.
"""
import collections
import random
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

BLOCKS = {"p", "div", "li", "dt", "dd", "tr", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "section", "br"}
SKIPPED = {"script", "style", "nav", "head", "svg", "footer"}
SHORTEST_PAGE = 1000
REPEATED = 20


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts, self.skipping = [], 0

    def handle_starttag(self, tag, attrs):
        self.skipping += tag in SKIPPED
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag):
        self.skipping -= tag in SKIPPED and self.skipping > 0
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data):
        if not self.skipping:
            self.parts.append(data)


def text_of(file):
    text = file.read_text("utf-8", errors="ignore")
    if file.suffix in (".html", ".xhtml"):
        page = Page()
        page.feed(text)
        text = "".join(page.parts)
    return [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]


def main():
    out, held_out, *packages = sys.argv[1:]
    pages = []
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
            files = sorted(f for f in Path(folder).rglob("*") if f.suffix in (".html", ".xhtml", ".txt", ".pod"))
            pages += [text_of(f) for f in files if f.is_file() and not f.is_symlink()]
    seen = collections.Counter(line for page in pages for line in set(page))
    texts = sorted({"\n".join(line for line in page if seen[line] < REPEATED) + "\n" for page in pages})
    texts = [text for text in texts if len(text) >= SHORTEST_PAGE and sum(map(str.isascii, text)) > 0.95 * len(text)]
    random.Random(0).shuffle(texts)
    Path(held_out).write_text("".join(t for i, t in enumerate(texts) if i % 200 == 0))
    Path(out).write_text("".join(t for i, t in enumerate(texts) if i % 200 != 0))


if __name__ == "__main__":
    main()
