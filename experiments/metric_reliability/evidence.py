"""The tables and figures of all networks that are complete."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.metric_reliability import figure
from experiments.metric_reliability.judged import Reliability, judge
from experiments.metric_reliability.measure import INVERTED, ORACLES, SMOOTH
from experiments.metric_reliability.variants import RETEST
from experiments.provenance import made_by
from saliency_bench.cli import objects, request
from saliency_bench.explainers import CONTROLS, NAMED_CONTROLS
from saliency_bench.inference.intervals import Interval

HERE = Path(__file__).parent

NOISE = ("random_fresh", "random_frozen", SMOOTH)
"""Maps that know nothing of the image."""

PARTNERS = {"deletion": "insertion", "insertion": "deletion"}
"""Metrics that hide parts in opposite order."""

Judged = Mapping[tuple[str, str], Reliability]
"""By metric and network."""


def write(networks: list[str], runs: Path, kept: Path) -> None:
    """Judge every metric on every network and write what is kept.

    Args:
        networks: those that are complete.
        runs: a folder of tables for each.
        kept: is written anew.
    """
    judged: dict[tuple[str, str], Reliability] = {}
    for network in networks:
        for metric, found in _of_network(network, runs / network):
            judged[metric, network] = found
    if not judged:
        return
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    pd.DataFrame(_summary(judged)).round(4).to_csv(kept / "reliability.csv", index=False)
    pd.DataFrame(_answers(judged)).round(4).to_csv(kept / "answers.csv", index=False)
    pd.DataFrame(_controls(judged)).round(4).to_csv(kept / "controls.csv", index=False)
    for name, made in (("verdicts", figure.verdicts), ("answers", figure.answers)):
        (kept / f"{name}.png").write_bytes(made(judged))
    sizes = {name: (runs / name / "complete.txt").read_text(encoding="utf-8").strip()
             for name in networks}  # fmt: skip
    facts = {
        **made_by("python -m experiments.metric_reliability"),
        "networks": sizes,
    }
    (kept / "provenance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(pd.read_csv(kept / "reliability.csv").to_string(index=False))


def _of_network(network: str, folder: Path) -> Iterator[tuple[str, Reliability]]:
    """Every metric of a network, with its reliability."""
    config = request.compose(
        f"+experiment=metric_reliability_{network}", f"hydra.searchpath=[file://{HERE}]"
    )
    metrics = objects.build_group(config, "metric")
    rows = pd.concat(
        pd.read_csv(path).assign(explainer=path.stem) for path in sorted(folder.glob("*.csv"))
    )
    order = [*config.explainer, *sorted(set(rows["explainer"]) - config.explainer.keys())]
    tables = {
        key: own.pivot(index="image", columns="explainer", values="value").reindex(
            columns=[name for name in order if name in set(own["explainer"])]
        )
        for key, own in rows.groupby(["metric", "variant"], sort=False)
    }
    for metric, facts in metrics.items():
        own = {what: table for (name, what), table in tables.items() if name == metric}
        names = list(own[RETEST])
        partner = {
            what: table[names]
            for (name, what), table in tables.items()
            if name == PARTNERS.get(metric) and set(names) <= set(table)
        }
        tested = {what: table[names] for what, table in own.items() if set(names) <= set(table)}
        yield metric, judge(tested, own, _expected(facts), partner)


def _expected(facts: Any) -> dict[str, str]:
    """The known results of controls by a metric that has some."""
    if not facts.controls:
        return {}
    names = {kind.__name__: name for name, kind in (CONTROLS | NAMED_CONTROLS).items()}
    stated = {names[kind]: result for kind, result in facts.controls.items()}
    oracle = ORACLES[facts.family]
    known = {oracle: "better", f"{INVERTED} {oracle}": "worse"}
    return stated | known | dict.fromkeys(NOISE, "not better")


def _numbers(name: str, number: Interval) -> dict[str, float]:
    return {
        name: float(number.value), f"{name}_low": float(number.low),
        f"{name}_high": float(number.high),
    }  # fmt: skip


def _summary(judged: Judged) -> Iterator[dict[str, Any]]:
    for (metric, network), own in judged.items():
        row: dict[str, Any] = {"network": network, "metric": metric, "verdict": own.verdict}
        row |= {"why": "; ".join(own.reasons())}
        row |= {"n_images": own.n_images, "n_explainers": own.n_explainers}
        for question in ("images", "variants", "repetition", "disturbance", "redraw"):
            weakest = own.weakest(question)
            if weakest is not None:
                row |= _numbers(question, weakest.number)
        right = sum(control.result == "right" for control in own.controls)
        row |= {"n_controls": len(own.controls), "n_right": right}
        row |= {"alpha_values": own.alpha_values, "icc_image": own.icc}
        row |= {"internal_consistency": own.internal, "between_explainers": own.between}
        if own.meta is not None:
            row |= {**own.meta._asdict(), "mc": own.meta.total}
        yield row


def _answers(judged: Judged) -> Iterator[dict[str, Any]]:
    for (metric, network), own in judged.items():
        for answer in own.answers:
            yield {
                "network": network, "metric": metric, "question": answer.question,
                "what": answer.what, **_numbers("number", answer.number), "bar": answer.bar,
                "answer": answer.said,
            }  # fmt: skip


def _controls(judged: Judged) -> Iterator[dict[str, Any]]:
    for (metric, network), own in judged.items():
        for control in own.controls:
            yield {
                "network": network, "metric": metric, "control": control.name,
                **_numbers("number", control.number), "result": control.result,
            }  # fmt: skip
