"""Train a model of any registered tool; the options are those of its estimator's constructor."""

import inspect
import os
import shlex
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from narrows.cli import options
from narrows.cli.inputs import choose_cell_text, choose_model, load_tool, read_items, read_items_for
from narrows.cli.messages import detail, say, shows_progress, size
from narrows.cli.outputs import check_file, check_new
from narrows.cli.tool_options import Parameter, as_option, parse_marks, read_constructor
from narrows.errors import DataError, ParameterError
from narrows.registry import ToolSpec, resolve

_HELP = """{summary}.

Ctrl-C keeps the best model so far, and --resume goes on with the run.

\b
Example:
{examples}
"""


@dataclass(frozen=True)
class TrainingRequest:
    """What the command line of ``narrows train`` asks for, besides the parameters of the estimator."""

    source: str
    output: str
    target: str | None
    init_model: str | None
    axes: str | None
    strict: bool
    resume: bool
    arguments: list[str]
    cell_text: Any = None

    @property
    def checkpoint(self) -> Path:
        """The state of the run, beside the model until it is complete."""
        return Path(f"{self.output}.checkpoint")

    @property
    def resume_command(self) -> str:
        """The command line that resumes the run."""
        return shlex.join(["narrows", *self.arguments, *([] if self.resume else ["--resume"])])


def train_verb(spec: ToolSpec) -> Callable[..., None]:
    """Return the function behind ``narrows train NAME``, with a signature for `typer`."""
    constructor = read_constructor(spec.estimator)
    parameters = [each for each in constructor.parameters if each.name not in ("verbose", *spec.python_only)]

    def train(context: typer.Context, **values: Any) -> None:
        own = {each.name: each.convert(values[each.name]) for each in parameters if values[each.name] is not None}
        request = TrainingRequest(
            source=values["source"],
            output=values["output"],
            target=values.get("target"),
            init_model=values["init_model"],
            axes=values["axes"],
            strict=values["strict"],
            resume=values["resume"],
            arguments=context.obj,
            cell_text=choose_cell_text(
                own.get("missing_values", parse_marks(values.get("missing"))),
                values.get("keep_na"),
                values.get("decimal"),
                values.get("thousands"),
            ),
        )
        learn(spec, own, request, values["force"])

    train.__doc__ = _HELP.format(summary=constructor.summary, examples=textwrap.indent("\n".join(spec.examples), "  "))
    train.__signature__ = _signature(spec, parameters)  # type: ignore[attr-defined]
    train.__annotations__ = {"context": typer.Context, "return": None}
    return train


def _signature(spec: ToolSpec, parameters: list[Parameter]) -> inspect.Signature:
    def keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    marks = (
        []
        if "missing_values" in {each.name for each in parameters}
        else [keyword("missing", options.MissingCells, None)]
    )
    reading = [
        *marks,
        keyword("keep_na", options.KeepNa, None),
        keyword("decimal", options.Decimal, None),
        keyword("thousands", options.Thousands, None),
    ]
    target = Annotated[str | None, typer.Option(metavar="CLEAN", help=spec.target)]
    return inspect.Signature(
        [
            keyword("context", typer.Context),
            keyword("source", options.Data),
            keyword("output", options.NewModel),
            *([keyword("target", target, None)] if spec.target else []),
            keyword("init_model", options.InitModel, None),
            *map(as_option, parameters),
            *(reading if spec.takes_tables else []),
            keyword("resume", options.Resume, False),
            keyword("strict", options.Strict, False),
            keyword("force", options.Force, False),
        ]
    )


def learn(spec: ToolSpec, parameters: dict[str, Any], request: TrainingRequest, force: bool) -> None:
    """Train a model on DATA, save it and print a summary; until it is complete, a checkpoint lies beside it."""
    check_file(request.output, (".safetensors",), force=True)
    check_checkpoint(request, force)
    check_new([Path(request.output)], force or request.resume)
    estimator = resolve(spec.estimator)(**parameters, verbose=shows_progress())
    estimator.check_parameters(paired=request.target is not None)
    init_model, items, target = read_training(spec, request)
    began = time.perf_counter()
    start = {} if init_model is None else {"init_model": init_model}
    try:
        estimator.fit(items, target, checkpoint=request.checkpoint, resume=request.resume, **start)
    except KeyboardInterrupt:
        stop(estimator, request)
    detail(f"trained in {time.perf_counter() - began:.1f} s; {facts(estimator.training_)}")
    save(estimator, request)
    request.checkpoint.unlink(missing_ok=True)
    from narrows.render.terminal import show_history, show_preview

    print(f"{request.output}: {size(Path(request.output).stat().st_size)}; {estimator.model_.training_summary()}")
    show_history(estimator.history_)
    show_preview(estimator.model_, items, **({} if target is None else {"target": target}))


def read_training(spec: ToolSpec, request: TrainingRequest) -> tuple[Any, Any, Any]:
    """Return the model to start from, DATA as it takes them, and the targets; None for what there is not."""
    if request.init_model is None:
        items = read_items(request.source, request.axes, request.strict, cell_text=request.cell_text)
        target = None if request.target is None else read_items(request.target, request.axes, request.strict)
        return None, items, target
    if "init_model" not in inspect.signature(resolve(spec.estimator).fit).parameters:
        raise ParameterError(f"a {spec.name} starts from no model", parameter="init_model", value=request.init_model)
    chosen = choose_model([request.init_model, request.source], request.axes, request.strict, spec.name)
    model = load_tool(chosen.model, f"train {spec.name} --from", spec.name)
    if request.cell_text is not None and model.columns is not None:
        model = model.with_cell_text(request.cell_text)
    items = chosen.read(model, request.axes, request.strict)
    target = None if request.target is None else read_items_for(model, request.target, request.axes, request.strict)
    return model, items, target


def check_checkpoint(request: TrainingRequest, force: bool) -> None:
    """Raise DataError where a run cannot be resumed, or the checkpoint of a stopped run would be lost."""
    checkpoint = request.checkpoint
    if request.resume:
        if not checkpoint.exists():
            raise DataError(
                "there is no such checkpoint (a run that ended leaves none)",
                source=str(checkpoint),
                hint="leave out --resume to start a new run",
            )
        return
    if checkpoint.exists() and not force:
        raise DataError(
            "left by a run that was stopped",
            source=str(checkpoint),
            hint="--resume goes on with it, --force replaces it",
        )


def facts(training: dict[str, Any]) -> str:
    """Format what was chosen for a training."""
    chosen = ("device", "epochs", "minutes", "batch_size", "learning_rate", "seed", "steps", "attempts")
    return ", ".join(f"{name} {training[name]}" for name in chosen if training.get(name) is not None)


def stop(estimator: Any, request: TrainingRequest) -> NoReturn:
    """Keep what a run has learned until it was stopped, say how to go on, and exit."""
    has_model = hasattr(estimator, "training_")
    if has_model:
        save(estimator, request)
    result = f"stopped; {request.output} is the best model so far" if has_model else "stopped without a model"
    say(f"{result}; to go on: {request.resume_command}" if request.checkpoint.exists() else result)
    raise typer.Exit(1)


def save(estimator: Any, request: TrainingRequest) -> None:
    """Write the model; where that fails, write it to another place, and raise DataError that names it."""
    from narrows.training.runtime import interruptible

    try:
        with interruptible():
            estimator.save(request.output)
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
    else:
        return
    kept = save_elsewhere(estimator, Path(request.output).name)
    hint = "nor can it be written elsewhere" if kept is None else f"the model is in {kept}"
    raise DataError(reason, source=request.output, hint=hint)


def save_elsewhere(estimator: Any, name: str) -> Path | None:
    """Write the model under a new name to the first folder that takes it; None where none does."""
    for place in (os.curdir, os.path.expanduser("~"), tempfile.gettempdir()):
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="narrows-", dir=place))
            try:
                estimator.save(folder / name)
            except OSError:
                folder.rmdir()
                raise
            return folder / name
    return None
