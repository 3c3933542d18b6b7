"""What a compiler would refuse: checks over all files, each of which gives the faults it found."""

import re
from collections.abc import Iterator
from pathlib import Path

import tree_sitter

from tests.infra import bicep
from tests.infra.bicep import Declaration, Template

# Types and API versions that were seen in public templates or in the reference; a new one is looked up first.
TYPES = frozenset(Path(__file__).with_name("resource_types.txt").read_text().split())
FUNCTIONS = {"concat", "empty", "environment", "fail", "guid", "loadFileAsBase64", "loadJsonContent"}
FUNCTIONS |= {"loadTextContent", "replace", "resourceGroup", "subscription", "subscriptionResourceId", "tenant"}
FUNCTIONS |= {"toLower", "union", "uniqueString"}
KEYS = {
    "resource": {"name", "location", "tags", "kind", "sku", "identity", "properties", "parent", "scope", "dependsOn"},
    "module": {"name", "scope", "params", "dependsOn"},
}


def syntax_errors(template: Template) -> list[str]:
    """Where the parser stumbles."""
    return [
        f"{file}:{node.start_point.row + 1}: {'missing ' if node.is_missing else 'unexpected '}{bicep.text(node)!r}"
        for file, root in template.roots.items()
        for node in bicep.walk(root)
        if node.is_error or node.is_missing
    ]


def unknown_names(template: Template) -> list[str]:
    """Names that nothing in the file declares, and functions that are not known to exist."""
    faults = []
    for file, root in template.roots.items():
        declared = {each.name for each in template.declarations if each.file == file} | set(_looped(root))
        faults += [f"{file}: {name} is not declared" for name in _used(root) if name not in declared]
        faults += [f"{file}: {name}() is not a known function" for name in _called(root) if name not in FUNCTIONS]
    return faults


def declared_twice(template: Template) -> list[str]:
    """Names that a file declares more than once; outputs have a space of their own."""
    names = [(each.file, each.kind == "output", each.name) for each in template.declarations]
    return [
        f"{file}: {name} is declared twice"
        for file, output, name in set(names)
        if names.count((file, output, name)) > 1
    ]


def unused(template: Template) -> list[str]:
    """Parameters, variables and references that nothing uses."""
    return [
        f"{each} is not used"
        for each in template.declarations
        if each.kind in ("param", "var") or each.existing
        if each.name not in set(_used(template.roots[each.file]))
    ]


def module_faults(template: Template) -> list[str]:
    """Modules that are missing, given what they don't take, not given what they need, or asked for what they lack."""
    faults = []
    for module in template.of("module"):
        file = bicep.resolve(module.file, module.target)
        if file not in template.roots:
            faults.append(f"{module}: there is no {module.target}")
            continue
        given = set(_mapping(module.body.get("params", {})))
        taken = {each.name: each for each in template.of("param", file)}
        needed = {name for name, each in taken.items() if each.value is None}
        outputs = {each.name for each in template.of("output", file)}
        faults += [f"{module} does not take {name}" for name in sorted(given - set(taken))]
        faults += [f"{module} needs {name}" for name in sorted(needed - given)]
        faults += [f"{module} has no output {name}" for name in sorted(_outputs_asked(template, module) - outputs)]
    return faults


def unguarded_modules(template: Template) -> list[str]:
    """Outputs of a module that may not be there, taken as if it were, or the reverse."""
    conditional = {(each.file, each.name): bool(each.condition) for each in template.of("module")}
    return [
        f"{file}: {name}{mark}.outputs does not fit the module, which is {'not ' * conditional[file, name]}always there"
        for file, root in template.roots.items()
        for name, mark in re.findall(r"\b(\w+)(!?)\.outputs\b", bicep.text(root))
        if conditional.get((file, name), bool(mark)) != bool(mark)
    ]


def unknown_types(template: Template) -> list[str]:
    """Resource types and API versions that are not on the list."""
    return [f"{each} is {each.target}" for each in template.of("resource") if each.target not in TYPES]


def unknown_keys(template: Template) -> list[str]:
    """Misspelt keys of a resource or module itself; those inside `properties` only a compiler knows."""
    return [
        f"{each} has no {key}"
        for kind, keys in KEYS.items()
        for each in template.of(kind)
        for key in sorted(set(each.body) - keys)
    ]


def _mapping(value: bicep.Value) -> dict[str, bicep.Value]:
    assert isinstance(value, dict)
    return value


def _outputs_asked(template: Template, module: Declaration) -> set[str]:
    source = bicep.text(template.roots[module.file])
    return set(re.findall(rf"\b{module.name}!?\.outputs\.(\w+)", source))


def _used(root: tree_sitter.Node) -> Iterator[str]:
    """Names in expressions: no keys, no functions, no decorators, no names being declared."""
    for node in bicep.walk(root):
        if node.type == "identifier" and node.parent is not None:
            first = node.parent.named_children[0] == node
            naming = node.parent.type == "object_property" or node.parent.type.endswith("_declaration")
            if node.parent.type != "call_expression" and not (first and naming):
                yield bicep.text(node)


def _looped(root: tree_sitter.Node) -> Iterator[str]:
    """Names that stand for one item after the other."""
    for node in bicep.walk(root):
        if node.type == "for_statement":
            yield bicep.text(node.named_children[0])


def _called(root: tree_sitter.Node) -> Iterator[str]:
    for node in bicep.walk(root):
        if node.type == "call_expression" and (node.parent is None or node.parent.type != "decorator"):
            yield bicep.text(node.named_children[0])
