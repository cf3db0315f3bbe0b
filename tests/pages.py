"""Reading a page back: what its elements, tables and texts are."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
DRAWING = {"path", "line", "circle", "use", "rect", "g", "svg", "defs", "clippath"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element inside with that tag, in the order of the page; `klass` asks for one of its classes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.tag == tag and child.has(attributes):
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def everything(self) -> list[Element]:
        return [e for c in self.children if isinstance(c, Element) for e in (c, *c.everything())]

    def has(self, attributes: dict[str, str]) -> bool:
        klass = attributes.get("klass")
        rest = {name: value for name, value in attributes.items() if name != "klass"}
        mine = self.attributes.get("class", "").split()
        return (klass is None or klass in mine) and all(self.attributes.get(n) == v for n, v in rest.items())

    @property
    def text(self) -> str:
        return " ".join("".join(c if isinstance(c, str) else f" {c.text} " for c in self.children).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(page: str) -> Element:
    """The page as a tree; fails when its tags do not nest."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert [element.tag for element in reader.open] == [""]
    return reader.root
