"""Documentation out of source files: every long docstring of a module becomes a document."""

import ast
import warnings
from collections.abc import Iterator

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution, SampleError
from tamis.sample.documents import LONGEST_BYTES, Document, size

# A docstring of a line or two explains nothing by itself.
SHORTEST_DOCSTRING_BYTES = 500

Owner = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def owners(node: ast.AST, name: str) -> Iterator[tuple[str, Owner]]:
    """Everything below `node` that can have a docstring, with its dotted name, in source order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name}.{child.name}", child
            yield from owners(child, f"{name}.{child.name}")
        elif isinstance(child, ast.If | ast.Try):
            yield from owners(child, name)


def parse_source(member: Member) -> ast.Module:
    """The syntax tree of a Python file.

    Raises SampleError when this Python cannot parse it: which files parse would otherwise depend
    on the machine.
    """
    try:
        with warnings.catch_warnings():
            # Old code warns about escapes like "\\d", which mean what they say.
            warnings.simplefilter("ignore")
            return ast.parse(member.data, member.path)
    except (SyntaxError, ValueError) as error:
        raise SampleError(
            f"{member.path} is not Python that this version reads: {error}\n"
            "  Exclude it in tamis/sample/packages.json."
        ) from error


def docstring_documents(member: Member, origin: Distribution, kind: str) -> list[Document]:
    """One document for each docstring of at least `SHORTEST_DOCSTRING_BYTES` in a Python file."""
    tree = parse_source(member)
    module = member.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    documents: list[Document] = []
    seen: dict[str, int] = {}
    found: Iterator[tuple[str, Owner]] = iter([(module, tree), *owners(tree, module)])
    for name, owner in found:
        docstring = ast.get_docstring(owner)
        if docstring is None or not SHORTEST_DOCSTRING_BYTES <= size(docstring) <= LONGEST_BYTES:
            continue
        # Overloads and properties give one name several docstrings.
        seen[name] = seen.get(name, 0) + 1
        suffix = f"#{seen[name]}" if seen[name] > 1 else ""
        documents.append(
            Document(
                text=f"{name}\n\n{docstring}",
                origin=origin,
                path=f"{member.path}:{name}{suffix}",
                kind=kind,
                timestamp=member.timestamp,
            )
        )
    return documents
