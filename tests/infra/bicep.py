"""Bicep files as values: what each declares, with literals evaluated and everything else kept as code."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import tree_sitter
import tree_sitter_bicep

FOLDER = Path(__file__).resolve().parents[2] / "infra"
_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))

_NAMED: dict[str, object] = {"true": True, "false": False, "null": None}

Value = object  # str, int, bool, None, Code, list[Value] or dict[str, Value]


class Code(str):
    """An expression that only a deployment can evaluate, as it is written."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Declaration:
    """One param, var, resource, module or output."""

    file: str
    kind: str
    name: str
    node: tree_sitter.Node = dataclasses.field(repr=False)
    target: str = ""  # a resource's type and version, a module's path, a parameter's or output's type
    condition: str = ""
    existing: bool = False
    decorators: tuple[str, ...] = ()
    value: Value = None  # the body, the default or the right side; None where there is none

    @property
    def body(self) -> dict[str, Value]:
        """The value of a resource or module."""
        assert isinstance(self.value, dict), f"{self} has no body"
        return self.value

    def __str__(self) -> str:
        """File and name, to find it by."""
        return f"{self.file}: {self.name}"


@dataclasses.dataclass(frozen=True)
class Template:
    """All files of a deployment."""

    roots: Mapping[str, tree_sitter.Node]
    declarations: tuple[Declaration, ...]

    def of(self, kind: str, file: str = "") -> list[Declaration]:
        """Every declaration of a kind, of one file or of all."""
        return [each for each in self.declarations if each.kind == kind and file in ("", each.file)]

    def resources(self, resource_type: str) -> list[Declaration]:
        """Every resource of a type that is made or changed, not only referred to."""
        made = [each for each in self.of("resource") if not each.existing]
        return [each for each in made if each.target.partition("@")[0] == resource_type]


def texts(folder: Path = FOLDER) -> dict[str, str]:
    """The files of a folder by their paths in it."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.bicep"))}


def parse(sources: Mapping[str, str]) -> Template:
    """Read all files; a syntax error shows in `syntax_errors`, not here."""
    roots = {file: _PARSER.parse(text.encode()).root_node for file, text in sources.items()}
    found = [each for file, root in roots.items() for each in _declarations(file, root)]
    return Template(roots, tuple(found))


def resolve(file: str, path: str) -> str:
    """A module's path as its own file's name."""
    return str(PurePosixPath(file).parent / path)


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """A node and everything in it."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: tree_sitter.Node) -> str:
    """A node's source."""
    return (node.text or b"").decode()


def evaluate(node: tree_sitter.Node) -> Value:
    """A literal as Python's, anything else as Code."""
    match node.type:
        case "object":
            return dict(_property(each) for each in node.named_children if each.type == "object_property")
        case "array":
            return [evaluate(each) for each in node.named_children if each.type != "comment"]
        case "string" if all(each.type == "string_content" for each in node.named_children):
            return text(node)[1:-1]
        case "number":
            return int(text(node))
    return _NAMED.get(text(node), Code(text(node)))


def _property(node: tree_sitter.Node) -> tuple[str, Value]:
    parts = [each for each in node.named_children if each.type != "comment"]
    return text(parts[0]).strip("'"), evaluate(parts[1])


_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


def _declarations(file: str, root: tree_sitter.Node) -> Iterator[Declaration]:
    decorators: tuple[str, ...] = ()
    for node in root.named_children:
        if node.type == "decorators":
            decorators = tuple(text(each) for each in node.named_children)
        elif node.type in _KINDS:
            yield _declaration(file, node, decorators)
            decorators = ()


def _declaration(file: str, node: tree_sitter.Node, decorators: tuple[str, ...]) -> Declaration:
    name, *rest = [each for each in node.named_children if each.type != "comment"]
    target = condition = ""
    if rest and (rest[0].type == "type" or node.type in ("resource_declaration", "module_declaration")):
        target = text(rest.pop(0)).strip("'")
    value = rest[-1] if rest else None
    if value is not None and value.type == "if_statement":
        condition, value = text(value.named_children[0])[1:-1], value.named_children[-1]
    if value is not None and value.type == "for_statement":
        value = value.named_children[-1]
    return Declaration(
        file=file,
        kind=_KINDS[node.type],
        name=text(name),
        node=node,
        target=target,
        condition=condition,
        existing=any(each.type == "existing" for each in node.children),
        decorators=decorators,
        value=evaluate(value) if value is not None else None,
    )
