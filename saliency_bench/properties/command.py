"""The command line of the property tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliency_bench.cli import load, objects, process
from saliency_bench.cli.request import compose, read_request
from saliency_bench.protocols import Exit, NotApplicable, command, errors, interrupts, printable

if TYPE_CHECKING:
    import pandas as pd


_HELP = """Test the axioms of every explainer, and those that the named explainers claim.

    {own} explainer=[grad_cam,smoothgrad]
    {own} --config-dir my_conf explainer=[brightness] \\
        model=saved model.path=my.keras dataset=npz dataset.path=my.npz n_images=4

Explainers, model and images are chosen as for `{run}`; without a model and
a dataset, a small network explains noise. The last lines say of each explainer whether all
properties that could be tested hold, or which are broken. Exit status: 0 all hold, 1 one is broken
or an explainer failed, 2 the request is wrong.
"""

LONGEST = 240
"""Most characters of the cause of an error."""

IMAGES = 4
"""Default number of images."""


def main(arguments: Sequence[str]) -> int:
    """Test the explainers that a command line names; return the exit status."""
    if {"-h", "--help"} & set(arguments):
        own, run = command.program("properties"), command.program()
        print(_HELP.format(own=own, run=run), end="")
        return Exit.FINISHED
    return command.run(
        "saliency_bench.properties",
        lambda: _parse(arguments),
        lambda options: _test(*options),
        objects.one_line,
    )


def _parse(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Overrides, and whether they name a model or a dataset."""
    overrides = []
    folders = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        option, _, value = argument.partition("=")
        if option == "--config-dir":
            folders.append(value or (waiting.pop(0) if waiting else ""))
        elif argument.startswith("-"):
            raise ValueError(f"options are --config-dir and --help; got {argument!r}")
        else:
            overrides.append(argument)
    for folder in folders:
        if not Path(folder).is_dir():
            raise ValueError(f"--config-dir must name a folder; got {folder!r}")
    if folders:
        paths = ",".join(f"file://{Path(folder).resolve()}" for folder in folders)
        overrides.append(f"hydra.searchpath=[{paths}]")
    has_inputs = any(o.startswith(("model=", "model.", "dataset=", "dataset.")) for o in overrides)
    if not any(o.startswith("n_images=") for o in overrides):
        overrides.append(f"n_images={IMAGES}")
    return overrides, has_inputs


def _test(overrides: Sequence[str], has_inputs: bool) -> int:
    # Modules of the working directory can be imported, as with `python -m saliency_bench`.
    config = compose(*overrides)
    request = read_request(config, Path())
    threads = load.compute_threads(config)
    process.start_tensorflow(threads=threads, deterministic=config.deterministic)
    from saliency_bench.properties.table import check_explainer

    if has_inputs:
        inputs = load.load_inputs(request)
        dataset, loaded = inputs.dataset, inputs.model
        scene = loaded.model, dataset.images, _targets(loaded.model, dataset, config.target)
    else:
        scene = _example(config.n_images)
    conclusions: dict[str, str] = {}
    tested = False
    for name, explainer in request.parts["explainer"].items():
        try:
            table = check_explainer(explainer, *scene)
        except NotApplicable as refusal:
            conclusions[name] = f"not_applicable: {refusal.reason}"
        except Exception as error:  # an explainer may raise anything when it is bound
            interrupts.ask()
            if errors.is_out_of_memory(error):
                raise
            conclusions[name] = f"error: {errors.one_line(error, longest=LONGEST)}"
        else:
            tested = True
            print(as_text(name, table))
            conclusions[name] = conclusion(table)
    if not tested:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in conclusions.items())
        raise ValueError(f"an explainer must apply to the model; {reasons}")
    wrong = [name for name, found in conclusions.items() if found.startswith(("broken", "error"))]
    for name in sorted(conclusions, key=wrong.__contains__):  # what is broken comes last
        print(printable(f"{name}: {conclusions[name]}"))
    return Exit.FAILED if wrong else Exit.FINISHED


def _targets(model: Any, dataset: Any, target: str) -> Any:
    if dataset.labels is not None and target == "label":
        return dataset.labels
    from saliency_bench import network

    return network.KerasNetwork(model).outputs(dataset.images).argmax(axis=1)


def _example(count: int) -> tuple[Any, Any, Any]:
    """A small network with convolutions, BatchNorm, pooling and a softmax; noise; targets."""
    import keras
    import numpy as np

    layers = keras.layers
    initial = [keras.initializers.GlorotUniform(seed) for seed in range(3)]
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initial[0]),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initial[1]),
            layers.Flatten(),
            layers.Dense(4, activation="softmax", kernel_initializer=initial[2]),
        ]
    )
    images = np.random.default_rng(0).normal(size=(count, 16, 16, 3)).astype(np.float32)
    return model, images, np.arange(count) % 4


def conclusion(table: pd.DataFrame) -> str:
    """In a few words what a table of `check_explainer` says: what is broken, if anything is."""
    broken = table.loc[table["status"] == "broken", "property"]
    return f"broken: {', '.join(broken)}" if len(broken) else "all hold"


def as_text(name: str, table: pd.DataFrame) -> str:
    """Format a table of `check_explainer`: the explainer's name, then a line per property."""
    lines = [printable(name)]
    for row in table.to_dict("records"):
        size = f"{row['deviation']:.1e} of {row['tolerance']:.0e}" if row["tolerance"] > 0 else ""
        reason = "" if row["status"] == "not_claimed" else row["reason"]
        line = f"  {row['property']:<20} {row['status']:<13} {size:<17} {reason}".rstrip()
        lines.append(printable(line))
    return "\n".join(lines)
