"""Reads a page as a browser would, as far as tests need: elements, their text, what they would load."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "img", "link", "hr"}


@dataclass
class Element:
    """One element of the page."""

    tag: str
    attributes: dict
    inside: tuple = ()  # ids of the elements around it
    parts: list = field(default_factory=list)  # of its text, in order

    @cached_property
    def text(self):
        """Everything below it. To be asked once the page is read."""
        return "".join(self.parts)


@dataclass
class Page(HTMLParser):
    """All elements in order; `text` of each is everything below it."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self.stack = []

    def handle_starttag(self, tag, attrs):
        around = tuple(e.attributes["id"] for e in self.stack if "id" in e.attributes)
        element = Element(tag, dict(attrs), around)
        self.elements.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data):
        for element in self.stack:
            element.parts.append(data)

    def all(self, tag, **attributes):
        """Elements by tag and attributes."""
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [
            e
            for e in self.elements
            if e.tag == tag and all(e.attributes.get(n) == v for n, v in named.items())
        ]

    def by_id(self, key):
        """The one element with this id."""
        (found,) = [e for e in self.elements if e.attributes.get("id") == key]
        return found

    def figures(self):
        """The data of the figures."""
        return json.loads(self.by_id("figure-data").text)


def parse(text):
    """The page, every element closed."""
    page = Page()
    page.feed(text)
    page.close()
    assert not page.stack, f"left open: {[e.tag for e in page.stack]}"
    return page
