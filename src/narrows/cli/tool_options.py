"""Command-line options from an estimator's constructor and the "Parameters" section of its docstring.

Both are read from the source, without importing the module, so that help does not wait for torch.
"""

import ast
import importlib.util
import inspect
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from narrows.cli.messages import as_flag
from narrows.registry import resolve

_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : (.+)$")
_CHOICES = re.compile(r"\{(.*?)\}")
_QUOTED = re.compile(r"""["'](.*?)["']""")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_SENTENCE = re.compile(r"(.+?\.)(?=\s+[A-Z]|$)")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a constructor: its types as the docstring has them, one sentence of help, and its default."""

    name: str
    types: str
    help: str
    default: Any = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to choose from, where the docstring lists them in braces."""
        braces = _CHOICES.search(self.types)
        return tuple(_QUOTED.findall(braces[1])) if braces else ()

    def accepts(self, kind: str) -> bool:
        """Return whether the docstring lists this type: ``"int"``, ``"float"`` or ``"bool"``."""
        return re.search(rf"\b{kind}\b", self.types) is not None

    def convert(self, text: Any) -> Any:
        """Return an option's value as the constructor takes it; what is no number stays text."""
        if isinstance(text, list):
            return parse_marks(text)
        for kind in (int, float):
            if isinstance(text, str) and self.accepts(kind.__name__):
                try:
                    return kind(text)
                except ValueError:
                    continue
        return text


@dataclass(frozen=True)
class Constructor:
    """The summary line of a class and the parameters of its constructor."""

    summary: str
    parameters: tuple[Parameter, ...]


def read_constructor(reference: str) -> Constructor:
    """Return what the source says of the class that ``"module:Class"`` names.

    A class that inherits its constructor, or has no source, is imported.
    """
    docstring, defaults = _from_source(reference) or _from_class(resolve(reference))
    described = parse_parameters(docstring)
    parameters = (Parameter(name, *described.get(name, ("str", "")), default) for name, default in defaults.items())
    return Constructor(docstring.strip().partition("\n")[0].rstrip("."), tuple(parameters))


def parse_parameters(docstring: str) -> dict[str, tuple[str, str]]:
    """Return the types and the first sentence of each entry of a numpydoc "Parameters" section."""
    _, _, section = inspect.cleandoc(docstring).partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w.*\n-+\n", section, maxsplit=1)[0]
    entries: dict[str, tuple[str, list[str]]] = {}
    words: list[str] = []
    for line in section.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            words = []
            entries |= {name: (entry[2], words) for name in entry[1].split(", ")}
        else:
            words.append(line.strip())
    return {name: (types, _first_sentence(" ".join(lines))) for name, (types, lines) in entries.items()}


def parse_marks(texts: list[str] | None) -> Any:
    """Return marks of missing values from the command line: numbers, texts, and mappings of ``COLUMN=VALUE``.

    Several are a list, and none are None.
    """

    def mark(text: str) -> float | str:
        return float(text) if text == "nan" or _NUMBER.fullmatch(text) else text

    marks = [
        {column: mark(value)} if column and equals else mark(text)
        for text in texts or ()
        for column, equals, value in [text.partition("=")]
    ]
    return marks if len(marks) > 1 else next(iter(marks), None)


def _first_sentence(text: str) -> str:
    sentence = _SENTENCE.match(text.strip())
    return (sentence[1] if sentence else text.strip()).replace("`", "")


def _from_source(reference: str) -> tuple[str, dict[str, Any]] | None:
    """Return the docstring and the defaults of a class; None where its source does not have both."""
    module, _, name = reference.partition(":")
    spec = importlib.util.find_spec(module)
    source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec else None
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            docstring = ast.get_docstring(node)
            for member in node.body:
                if docstring and isinstance(member, ast.FunctionDef) and member.name == "__init__":
                    return docstring, _defaults(member.args)
    return None


def _defaults(arguments: ast.arguments) -> dict[str, Any]:
    positional = arguments.args[1:]
    values = [*arguments.defaults, *arguments.kw_defaults]
    names = [
        argument.arg for argument in [*positional[len(positional) - len(arguments.defaults) :], *arguments.kwonlyargs]
    ]
    return {name: _literal(value) for name, value in zip(names, values, strict=True)}


def _literal(node: ast.expr | None) -> Any:
    """Return the value of a literal; None for anything else, which the constructor then fills in itself."""
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _from_class(cls: type) -> tuple[str, dict[str, Any]]:
    signature = inspect.signature(cls)
    return inspect.getdoc(cls) or "", {
        name: None if parameter.default is parameter.empty else parameter.default
        for name, parameter in signature.parameters.items()
    }


def as_option(parameter: Parameter) -> inspect.Parameter:
    """Return the parameter as an option of the command line."""
    flag, default, metavar = as_flag(parameter.name, None), parameter.default, None
    kind: Any
    if parameter.choices:
        kind = Literal[parameter.choices]
    elif parameter.accepts("bool"):
        kind, flag = bool, f"{flag}/{as_flag(parameter.name, False)}"
    else:
        forms = _QUOTED.findall(parameter.types.partition(", default")[0])
        numbers = [name for name in ("int", "float") if parameter.accepts(name)]
        if parameter.accepts("dict"):
            forms = ["TEXT", "COLUMN=VALUE", *forms]
        metavar = "|".join(["NUMBER"] * bool(numbers) + forms) if forms else None
        kind = {"int": int, "float": float}[numbers[0]] if numbers and not forms else str
        if parameter.accepts("dict"):
            kind, default = list[str], None
    option = typer.Option(flag, help=parameter.help, metavar=metavar)
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind if default is not None else kind | None, option],
    )
