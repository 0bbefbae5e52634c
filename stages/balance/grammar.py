"""How expressions over annotations are written: ``kind = 'code' and quality.score >= 2.5``.

    expression  = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation    = "not" negation | comparison
    comparison  = sum [("=" | "!=" | "<" | "<=" | ">" | ">=") sum
                      | "is" ["not"] "null"
                      | ["not"] "in" "(" literal {"," literal} ")"
                      | ["not"] "in" "[" number "," number (")" | "]")]
    sum         = product {("+" | "-") product}
    product     = factor {("*" | "/") factor}
    factor      = "-" factor | number | text | "true" | "false" | column
                | function "(" expression {"," expression} ")" | "(" expression ")"

A text stands in single or double quotes; a quote in it is doubled. A column is ``stage.column``, a
column of the documents (``source``), or a word ``x`` for ``x.x``; names with other signs than
letters, digits and _ stand in `backticks`. What has no value (null) compares as neither true nor
false, as in SQL. Nothing but these operations can be written, so a recipe cannot run code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

DOCUMENT_COLUMNS = ("source", "locator", "url", "license")
"""Columns of the documents that expressions may name."""

_LONGEST = 10_000
_SIGNS = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<quoted>`[^`]+`)"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)?)"
    r"|(?P<sign><=|>=|!=|<>|==|[=<>()\[\],+*/-])"
)
_SPELLINGS = {"==": "=", "<>": "!="}
FUNCTIONS = ("band", "coalesce", "contains", "starts_with")
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


class ExpressionError(ValueError):
    """An expression that cannot be read, or does not fit the columns that there are."""


@dataclass(frozen=True)
class Column:
    """``stage.column``, or a column of the documents."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A text, a number or a truth value as written."""

    value: str | float | bool


@dataclass(frozen=True)
class Operation:
    """An operator or function and what it is applied to."""

    name: str
    operands: tuple[Node, ...]


Node = Column | Constant | Operation


def parse_tree(text: str) -> Node:
    """Reads an expression. Raises ExpressionError with the place of the first fault."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"an expression of {len(text):,} characters; {_LONGEST:,} are most.")
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise ExpressionError(f"`{text[:60]}…`: nested too deeply.") from None


class _Parser:
    """Recursive descent over the signs of one expression, one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.signs: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            found = _SIGNS.match(text, at)
            if found is None:
                raise self._fault(at, f"`{text[at]}` means nothing here")
            kind, sign = str(found.lastgroup), found.group()
            if kind == "name" and sign.lower() in _WORDS:
                kind, sign = "word", sign.lower()
            self.signs.append((kind, _SPELLINGS.get(sign, sign), at))
            at = found.end()
        self.signs.append(("end", "", len(text)))
        self.next = 0

    def whole(self) -> Node:
        node = self.disjunction()
        if self.signs[self.next][0] != "end":
            raise self._unexpected("the end, or an operator")
        return node

    def disjunction(self) -> Node:
        return self._joined("or", lambda: self._joined("and", self.negation))

    def negation(self) -> Node:
        count = 0
        while self._take("not"):
            count += 1
        node = self.comparison()
        return Operation("not", (node,)) if count % 2 else node

    def comparison(self) -> Node:
        left = self.sum()
        if sign := self._take(*COMPARISONS):
            return Operation(sign, (left, self.sum()))
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            node = Operation("is null", (left,))
            return Operation("not", (node,)) if negated else node
        negated = self._take("not")
        if negated:
            self._expect("in")
        elif not self._take("in"):
            return left
        node = self._interval(left) if self._take("[") else self._members(left)
        return Operation("not", (node,)) if negated else node

    def _interval(self, left: Node) -> Operation:
        low = self.factor()
        self._expect(",")
        high = self.factor()
        closing = "<=" if self._take("]") else "<"
        if closing == "<":
            self._expect(")")
        return Operation("and", (Operation(">=", (left, low)), Operation(closing, (left, high))))

    def _members(self, left: Node) -> Operation:
        self._expect("(")
        members = [self.factor()]
        while self._take(","):
            members.append(self.factor())
        self._expect(")")
        return Operation("in", (left, *members))

    def sum(self) -> Node:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self.factor))

    def factor(self) -> Node:
        if self._take("-"):
            number = self.factor()
            if isinstance(number, Constant) and not isinstance(number.value, str):
                return Constant(-number.value)
            return Operation("-", (Constant(0.0), number))
        kind, sign, _ = self.signs[self.next]
        if kind == "number":
            self.next += 1
            return Constant(float(sign))
        if kind == "text":
            self.next += 1
            return Constant(sign[1:-1].replace(sign[0] * 2, sign[0]))
        if self._take("true"):
            return Constant(True)
        if self._take("false"):
            return Constant(False)
        if kind in ("name", "quoted"):
            self.next += 1
            return self._call(sign) if self._take("(") else Column(_full_name(sign.strip("`")))
        if self._take("("):
            node = self.disjunction()
            self._expect(")")
            return node
        raise self._unexpected("a column, a text, a number or `(`")

    def _call(self, name: str) -> Operation:
        if name not in FUNCTIONS:
            raise ExpressionError(
                f"`{self.text}`: there is no function `{name}`. Known: {', '.join(FUNCTIONS)}."
            )
        operands = [self.disjunction()]
        while self._take(","):
            operands.append(self.disjunction())
        self._expect(")")
        return Operation(name, tuple(operands))

    def _joined(self, word: str, inner: Callable[[], Node]) -> Node:
        operands = [inner()]
        while self._take(word):
            operands.append(inner())
        return operands[0] if len(operands) == 1 else Operation(word, tuple(operands))

    def _chain(self, operators: tuple[str, ...], inner: Callable[[], Node]) -> Node:
        node = inner()
        while operator := self._take(*operators):
            node = Operation(operator, (node, inner()))
        return node

    def _take(self, *signs: str) -> str:
        """The next sign if it is one of these, and goes on; else nothing."""
        kind, sign, _ = self.signs[self.next]
        if kind in ("sign", "word") and sign in signs:
            self.next += 1
            return sign
        return ""

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected(f"`{sign}`")

    def _unexpected(self, wanted: str) -> ExpressionError:
        _, sign, at = self.signs[self.next]
        return self._fault(at, f"{wanted} was expected" + (f", not `{sign}`" if sign else ""))

    def _fault(self, at: int, what: str) -> ExpressionError:
        return ExpressionError(f"`{self.text}`: character {at + 1}: {what}.")


_WORDS = ("and", "or", "not", "in", "is", "null", "true", "false")


def _full_name(name: str) -> str:
    return name if "." in name or name in DOCUMENT_COLUMNS else f"{name}.{name}"
