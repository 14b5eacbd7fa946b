"""What the files of a run hold: types and values of every fact and every column.

What is read from a run folder is checked against this once. The code behind relies on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields

import numpy as np
import pandas as pd

from saliency_bench import inference
from saliency_bench.inference.quality import QUALITY
from saliency_bench.inference.quality import RESULTS as ASSESSED
from saliency_bench.inference.reliability import RELIABILITY
from saliency_bench.inference.tables import SUMMARY, VERDICTS
from saliency_bench.protocols import (
    AREA,
    FAILURES,
    STATUSES,
    Ceiling,
    Expectation,
    Number,
    Trend,
    Words,
)
from saliency_bench.protocols import VERDICTS as GIVEN
from saliency_bench.protocols.metrics import MetricFacts
from saliency_bench.results import TRAININGS, assessed, tables
from saliency_bench.results.columns import Column, statistics
from saliency_bench.storage.json_rules import (
    Rule,
    flag,
    list_of,
    mapping_of,
    number,
    one_of,
    optional,
    plain,
    record,
    share,
    text,
    tuple_of,
    whole,
)
from saliency_bench.storage.longtable import KEYS, Key, LongTable

# ---------------------------------------------------------------- facts


def _declared(kind: type, rules: Mapping[str, Rule]) -> Rule:
    """The rule of what `dataclasses.asdict` makes of an object of this class."""
    entries = {f.name: rules.get(f.name, plain) for f in fields(kind)}
    free = {f.name for f in fields(kind) if (f.default, f.default_factory) == (MISSING, MISSING)}
    return record({name: entries[name] for name in free}, entries, others=None)


EXPECTATION = _declared(
    Expectation,
    {
        "words": _declared(Words, {f.name: text for f in fields(Words)}),
        "expects": one_of("change", "keep"),
        "ceiling": _declared(
            Ceiling, {"stage": optional(whole), "name": text, "value": number, "caption": text}
        ),
        "statistic": one_of("area", "last", "order"),
        "number": optional(
            _declared(
                Number,
                {
                    "name": text, "says": text, "passes": one_of("below", "above"),
                    "line": optional(number), "near": flag,
                },
            )
        ),
        "trend": optional(_declared(Trend, {f.name: text for f in fields(Trend)})),
        "controls": mapping_of(one_of(*GIVEN)),
        "decides": text,
        "tolerance": share,
        "fixed_draws": flag,
        "learned": optional(share),
        "no_verdict": text,
        "guards": list_of(text),
    },
)  # fmt: skip

_TEXTS = (
    "command", "dataset", "false_verdicts", "git", "images_hash", "model", "platform", "python",
    "source", "target", "targets_hash", "trainings_hash", "weights_hash",
)  # fmt: skip
_NAMED_TEXTS = (
    "checks", "checks_not_applicable", "controls", "explainers", "failed", "metric_settings",
    "metrics_not_applicable", "not_applicable", "similarities", "versions",
)  # fmt: skip
_METRIC = _declared(
    MetricFacts,
    {
        **dict.fromkeys(("family", "unit", "words", "remark"), text),
        "direction": one_of("higher", "lower"),
        **dict.fromkeys(("chance", "hits"), flag),
        "controls": mapping_of(text),
        "places": list_of(number),
        "beside": mapping_of(text),
    },
)
_TUNED = record(
    {
        "images": whole,
        "accuracy": tuple_of(share, share),
        "accuracy_changed": tuple_of(share, share),
    },
    {"chance": share, "weights_hash": text},
)
_LISTS = ("commands", "guards", "notes", "warnings")

FACTS = record(
    {"problems": list_of(text)},
    {
        **dict.fromkeys(_TEXTS, text),
        **dict.fromkeys(_NAMED_TEXTS, mapping_of(text)),
        **dict.fromkeys(_LISTS, list_of(text)),
        **dict.fromkeys(("batch_size", "draws", "n_images"), whole),
        "seed": number,
        "baseline": flag,
        "beside": mapping_of(mapping_of(mapping_of(number))),
        "chance": optional(share),
        "doses": mapping_of(share),
        "fine_tuned": mapping_of(_TUNED),
        "metrics": mapping_of(_METRIC),
        "metric_agreement": mapping_of(list_of(number)),
        "expectations": mapping_of(EXPECTATION),
        "signed": mapping_of(flag),
        "tested": record({}, {"chance": optional(share)}),
        "papers": mapping_of(list_of(text)),
        "thresholds": mapping_of(optional(number)),
    },
)
"""The rule of `provenance.json`; facts that nothing reads are free."""

EXAMPLES = record(
    {
        "titles": list_of(text),
        "maps": list_of(tuple_of(text, text, whole)),
        "conditions": list_of(tuple_of(text, whole, text)),
    },
    {"shown": list_of(text)},
)
"""The rule of the index in `examples.npz`."""

# ---------------------------------------------------------------- columns


_WORD, _FLAG = Column("word"), Column("flag")
_NUMBER, _MEASURED = Column("number"), Column("number", blank=True)
_SHARE = Column("number", blank=True, least=0, most=1)
_COUNT = Column("whole", least=0)
_VERDICT = Column("word", blank=True, among=(*GIVEN, *FAILURES))
_DIVERGED = Column("number", blank=True, least=-np.inf, most=np.inf)

COLUMNS: Mapping[str, Column] = {
    **dict.fromkeys((*KEYS, "network", "labels"), _WORD),
    **dict.fromkeys(("condition", "reason"), Column("word", blank=True)),
    "status": Column("word", among=(*STATUSES, *FAILURES)),
    **dict.fromkeys(("verdict", "control"), _VERDICT),
    **dict.fromkeys(("stage", "draw", "epoch", "n_images", "n_draws"), _COUNT),
    **dict.fromkeys(("variables_changed", "variables_exempt"), _COUNT),
    **dict.fromkeys(("image", "target"), Column("whole", least=-1)),
    **dict.fromkeys(("destroyed", "input_independent", "ok"), _FLAG),
    **dict.fromkeys(("depth", "fraction"), _NUMBER),
    **dict.fromkeys(("score", "null", "ceiling", "floor", "repeatability"), _MEASURED),
    **dict.fromkeys(("mean", "low", "high"), _MEASURED),
    **dict.fromkeys(("retained", "retained_low", "retained_high"), _MEASURED),
    **dict.fromkeys(("accuracy", "train_accuracy", "test_accuracy", "undefined"), _SHARE),
    "shift": Column("number", blank=True, least=0, needed=False),
    **dict.fromkeys(("alpha", "icc", "icc_low", "icc_high", "icc_mean"), _MEASURED),
    **dict.fromkeys(("n_explainers", "n_controls", "n_right"), _COUNT),
    "metric": _WORD,
    "key": Column("whole", least=-(2.0**63), most=2.0**63),
    **dict.fromkeys(("rank", "rank_low", "rank_high"), _NUMBER),
    **dict.fromkeys(("value", "chance", "gain", "gain_low", "gain_high"), _MEASURED),
    **dict.fromkeys(("place", "ties"), _SHARE),
    "loss": _DIVERGED,
    "schema_version": _COUNT,
}
"""Each column by its name, which means the same in every table."""


def columns(names: Iterable[str], **others: Column) -> dict[str, Column]:
    """The columns of a table.

    Args:
        names: of its columns.
        others: columns that hold something else here than elsewhere.
    """
    return {name: others.get(name, COLUMNS[name]) for name in names}


SCORES, FLOORS = columns(tables.SCORES), columns(tables.FLOORS)
NETWORKS, LEARNED = columns(tables.NETWORKS), columns(TRAININGS)
AREAS = columns(SUMMARY, stage=Column("whole", least=AREA))
CONCLUSIONS, AGREEMENTS = columns(VERDICTS), columns(RELIABILITY)
METRICS, CURVES = columns(assessed.METRICS), columns(assessed.CURVES)
RANKS = columns(inference.RANKS)
QUALITIES = columns(QUALITY, verdict=Column("word", blank=True, among=(*ASSESSED, *FAILURES)))


def check_together(
    scores: LongTable, floors: LongTable, networks: pd.DataFrame, *, metrics: bool = False
) -> None:
    """Raise `ValueError` unless floors belong to scores, and each of their networks has its row.

    Args:
        scores: of all explainers; the conditions are those of the first one that ran.
        floors: of the same explainers.
        networks: one row for every check, stage and draw.
        metrics: whether the run has metrics, and so may have no checks.
    """
    if not scores.keys and not metrics:
        raise ValueError("scores.parquet must hold scores; it has no rows")
    for strange in set(floors.keys) - set(scores.keys):
        raise ValueError(f"floors.parquet must belong to scores; those of {strange} do not")
    first: dict[str, Key] = {}
    for group, key in enumerate(scores.groups):
        if statistics(scores, group)["stage"].max:  # a failed explainer has stage 0 alone
            first.setdefault(key[0], key)
    known = set(zip(networks["check"], networks["stage"], networks["draw"], strict=True))
    for check, key in first.items():
        rows = scores.rows(key)[["stage", "draw"]].drop_duplicates()
        for stage, draw in rows.itertuples(index=False):
            if (check, stage, draw) not in known:
                raise ValueError(
                    f"networks.csv must have a row for {check}, stage {stage}, draw {draw}; it "
                    "lacks one"
                )
