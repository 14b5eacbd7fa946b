"""What the metrics say of each explainer, as tables and in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from saliency_bench.inference.quality import BETTER
from saliency_bench.inference.ranks import front
from saliency_bench.protocols import MetricFacts
from saliency_bench.report import view
from saliency_bench.report.blocks import Block, Bullets, Grid, Paragraph, Scatter
from saliency_bench.results import Results

MARKS = {BETTER: "✓", "not better": "✗", "inconclusive": "?", "undefined": "∅"}
"""A sign beside each result."""

MANY_TIES = 0.2
"""Share of pixels with the value of another one from which a map is named."""

_TITLES = {
    "faithfulness": "Faithfulness: does the network's output rest on what the map marks?",
    "localisation": "Localisation: does the map lie where the evidence is?",
    "robustness": "Robustness: does the map stay when the image hardly changes?",
    "complexity": "Complexity: how few pixels does the map mark?",
}


def declared(results: Results) -> dict[str, MetricFacts]:
    """What each metric of the run declares, by name."""
    facts = results.provenance.get("metrics", {})
    order = dict.fromkeys([*results.quality.get("metric", ()), *facts])
    return {name: MetricFacts.read(facts[name]) for name in order}


def blocks(results: Results) -> Iterator[Block]:
    """A table for each family of metrics, and what its numbers mean; or nothing."""
    metrics = declared(results)
    if not metrics:
        return
    yield Paragraph(
        "A metric asks whether a map is right, stable or readable; the network is untouched. Each "
        "gain is the map's value minus that of the same map turned over and shifted at random "
        "(for localisation: the mean over all shifts), which knows nothing of its image: positive "
        "is better, with a 95 % interval over images. "
        f"{MARKS[BETTER]} better than chance, {MARKS['not better']} not better, "
        f"{MARKS['inconclusive']} inconclusive, {MARKS['undefined']} undefined."
    )
    for family, title in _TITLES.items():
        own = {name: facts for name, facts in metrics.items() if facts.family == family}
        if own:
            yield Paragraph(title, "strong")
            yield Grid(["explainer", *own], list(_rows(results, own)))
            yield Bullets([_sentence(name, facts) for name, facts in own.items()])
    yield from _notes(results, metrics)


def brief(results: Results) -> Iterator[Block]:
    """A table for each family, without intervals, and the signs in words."""
    metrics = declared(results)
    for family in _TITLES:
        own = {name: facts for name, facts in metrics.items() if facts.family == family}
        rows = _rows(results, own) if own else ()
        yield Grid([family, *own], [[_bare(text) for text in row] for row in rows])
    if any(facts.chance for facts in metrics.values()):
        signs = ", ".join(f"{sign} {result}" for result, sign in MARKS.items())
        yield Paragraph(f"gain over chance: {signs}", "quiet")


def _bare(text: str) -> str:
    """A cell without its interval."""
    before, _, rest = text.partition(" [")
    return f"{before} {rest.rpartition(']')[2].strip()}".rstrip() if rest else text


def evidence(results: Results) -> Iterator[Block]:
    """Every explainer under test with all of its checks and metrics, side by side."""
    metrics, checks = declared(results), view.ran(results)
    numbers = _numbers(results)
    if not metrics or numbers.shape[1] < 2:
        return
    best = dict(zip(numbers.index, front(numbers), strict=True))
    verdicts = dict.fromkeys(numbers.index, ()) | view.side_by_side(results)
    yield Paragraph(
        "All evidence side by side. There is no single grade: the columns ask different things. An "
        "explainer is on the front if no other one is at least as good in every column, and better "
        "in one."
    )
    yield Grid(
        ["explainer", *checks, *metrics, "on the front"],
        [
            [
                name,
                *(f"{row.retained} {row.verdict}" if row else "-" for row in verdicts[name]),
                *(cell(results, name, metric, facts) for metric, facts in metrics.items()),
                "yes" if best[name] else "",
            ]
            for name in numbers.index
        ],
    )
    yield Scatter(
        list(numbers.columns),
        [(str(name), list(map(float, row))) for name, row in numbers.iterrows()],
    )


def tested(results: Results) -> list[str]:
    """The explainers under test, of checks and metrics."""
    controls = view.controls(results)
    names = dict.fromkeys([*view.side_by_side(results), *results.quality.get("explainer", ())])
    return [name for name in names if name not in controls]


def _numbers(results: Results) -> pd.DataFrame:
    """A row per explainer under test, a column per verdict and metric; larger is better.

    A column without any number, as of a metric that does not apply, compares nothing and is left
    out.
    """
    names, rows = tested(results), view.side_by_side(results)
    columns: dict[str, list[float]] = {}
    for place, check in enumerate(view.ran(results)):
        if view.expectation(results, check).no_verdict:
            continue
        sign = 1.0 if view.expectation(results, check).passes_above else -1.0
        own = [rows[name][place] if name in rows else None for name in names]
        columns[check] = [sign * row.value if row else np.nan for row in own]
    for metric, facts in declared(results).items():
        number = "gain" if facts.chance else "mean"
        sign = -1.0 if number == "mean" and facts.direction == "lower" else 1.0
        known = _of(results, metric)[number]
        columns[metric] = [sign * float(known.get(name, np.nan)) for name in names]
    return pd.DataFrame(columns, index=names).dropna(axis=1, how="all")


def _rows(results: Results, metrics: dict[str, MetricFacts]) -> Iterator[list[str]]:
    """Explainers in the order of the run, controls last."""
    controls = view.controls(results)
    names = list(dict.fromkeys(results.quality["explainer"]))
    for name in sorted(names, key=controls.__contains__):
        cells = [cell(results, name, metric, facts) for metric, facts in metrics.items()]
        yield [f"{name} (control)" if name in controls else name, *cells]


def cell(results: Results, explainer: str, metric: str, facts: MetricFacts) -> str:
    """The number of an explainer by a metric, with its interval and the sign of its result."""
    own = _of(results, metric)
    if explainer not in own.index:
        return "-"
    row = own.loc[explainer]
    if not row["n_images"]:
        return str(row["verdict"]).replace("_", " ")
    if facts.chance:
        numbers = view.interval(*row[["gain", "gain_low", "gain_high"]].astype(float))
        return f"{numbers} {MARKS.get(str(row['verdict']), '')}".rstrip()
    return view.interval(*row[["mean", "low", "high"]].astype(float))


def _of(results: Results, metric: str) -> pd.DataFrame:
    table = results.quality
    return table[table["metric"] == metric].set_index("explainer")


def _sentence(name: str, facts: MetricFacts) -> str:
    compared = "as a gain over chance" if facts.chance else "a number without a result"
    line = f"{name}: {facts.words} ({facts.unit}; {facts.direction} is better), {compared}."
    return f"{line} {facts.remark}".rstrip()


def _notes(results: Results, metrics: dict[str, MetricFacts]) -> Iterator[Block]:
    reasons = results.provenance.get("metrics_not_applicable", {})
    lines = [f"{metric} was not measured: {why}." for metric, why in reasons.items()]
    lost = results.quality[results.quality["undefined"] > 0]
    for explainer, rows in lost.groupby("explainer", sort=False):
        shares = [f"{row['undefined']:.0%} by {row['metric']}" for _, row in rows.iterrows()]
        lines.append(f"undefined maps of {explainer}: {', '.join(shares)}.")
    told = [*_tuned(results), *_beside(results, metrics), *_blind(results), *lines, *_ties(results)]
    yield Bullets(told, "quiet")
    ranked = [row for _, row in results.ranks.iterrows()]
    if ranked:
        yield Paragraph("Ranks by each metric; the interval says which could swap on other images.")
        yield Grid(["explainer", *dict.fromkeys(results.ranks["metric"])], _ranks(results))
    yield from _agreement(results)


def _agreement(results: Results) -> Iterator[Block]:
    """Whether the images give the same order, metric by metric."""
    found = results.provenance.get("metric_agreement", {})
    each = [f"{metric} {view.interval(*numbers)}" for metric, numbers in found.items()]
    if each:
        yield Paragraph(
            "Do the images put the explainers in the same order? Krippendorff's alpha, 1: each "
            "image gives the same order, 0: no more than chance would; with a 95 % interval over "
            f"images: {', '.join(each)}."
        )


def _tuned(results: Results) -> Iterator[str]:
    """What the fine-tuned network of each metric lost and won."""
    for metric, facts in results.provenance.get("fine_tuned", {}).items():
        (plain, tuned), (changed, better) = facts["accuracy"], facts["accuracy_changed"]
        yield (
            f"{metric} asks a fine-tuned network: its accuracy on {facts['images']} images is "
            f"{view.number(tuned)}, that of the network itself {view.number(plain)}; on images "
            f"changed as in its training {view.number(better)} and {view.number(changed)}."
        )


def _beside(results: Results, metrics: dict[str, MetricFacts]) -> Iterator[str]:
    """The further numbers of each metric: one for all explainers where it is the same."""
    means = results.provenance.get("beside", {})
    for metric, facts in metrics.items():
        for name, words in facts.beside.items():
            own = means.get(metric, {}).get(name, {})
            if own and max(own.values()) - min(own.values()) < 0.005:
                yield f"{metric}: {words} is {view.number(next(iter(own.values())))}."
            elif own:
                each = ", ".join(f"{who} {view.number(mean)}" for who, mean in own.items())
                yield f"{metric}: {words} is: {each}."


def _blind(results: Results) -> Iterator[str]:
    """The gains of the blob in the centre, where it has some."""
    name = view.controls_by_kind(results).get("CentrePrior")
    table = results.quality[results.quality["explainer"] == name]
    gains = [
        f"{view.number(row['gain'])} by {row['metric']}"
        for _, row in table[table["verdict"] == BETTER].iterrows()
    ]
    if gains:
        yield (
            f"{name}, one blob in the centre of every image, gains {', '.join(gains)}: these "
            "images show their objects there. Less than that shows no knowledge of the single "
            "image."
        )


def _ties(results: Results) -> Iterator[str]:
    table, shares = results.long_metrics, dict[str, float]()
    if table is None:
        return
    for explainer, metric in table.keys:
        if explainer not in shares:
            shares[explainer] = table.rows((explainer, metric))["ties"].mean()
    many = [f"{name} {share:.0%}" for name, share in shares.items() if share > MANY_TIES]
    if many:
        yield (
            "Pixels with the value of another pixel, whose order is drawn at random where a metric "
            f"ranks them: {', '.join(many)}."
        )


def _ranks(results: Results) -> list[list[str]]:
    table = results.ranks.set_index(["explainer", "metric"])
    metrics = list(dict.fromkeys(results.ranks["metric"]))
    return [
        [
            name,
            *(
                "{rank:.0f} [{rank_low:.0f}, {rank_high:.0f}]".format(**table.loc[name, metric])
                if (name, metric) in table.index
                else "-"
                for metric in metrics
            ),
        ]
        for name in dict.fromkeys(results.ranks["explainer"])
    ]
