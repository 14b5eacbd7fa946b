"""What a page shows, as a reader of its tags and its text; and a name that would break one."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = "a\"'><script>alert(1)</script><img src=x onerror=alert(2)>${7*7}{{7*7}}"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside script and style, as it is read."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], []
        self._may_break = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._may_break = tag == "wbr"
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if self._may_break and self.words:
            self.words[-1] += data
        elif not self._inside:
            self.words.append(data)
        self._may_break = False

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
