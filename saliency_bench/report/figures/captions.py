"""The captions of the figures. Names of the run replace the braces."""

from __future__ import annotations

from saliency_bench.report.figures.mapgrid import MOST_STAGES

STAGES = (
    "{what} ({similarity}) of each map with that of the untouched network along {check}: mean "
    "over images and {draws} with its 95 % interval. {ceiling}"
)
RETAINED = (
    "Share of the map that is left along {check} ({similarity}): (score - null) / (ceiling - "
    "null). Colours are clipped to 0 and 1, numbers are not; {statistic}. Hatched is undefined."
)
STATISTICS = {
    "area": "area is the mean over the stages",
    "last": "last is the last stage, on which the verdict is taken",
    "order": "order is the rank correlation over the stages, on which the verdict is taken",
}
MEASURED = (
    "Similarity ({similarity}) of maps under {check}: of {name}, and of {untouched} with {last}; "
    "mean over {draws} and images with its 95 % interval. {ceiling} Where both bars are as long, "
    "what was broken left no trace in the map."
)
LEVELS = (
    "Similarity ({similarity}) of maps under {check} against the {depth}; at 0 {name}. Mean over "
    "{draws} and images with its 95 % interval. {ceiling}"
)
MAPS = (
    "Maps of one image along {check}, channels summed, each in units of its own 99th percentile of "
    "|m|: size cannot be compared between maps. Colours diverge about 0 where the sign of the "
    "explainer's maps means something and else start at 0. Hatched is a map that is constant or "
    "has no numbers. {columns}"
)
STAGES_SHOWN = f"At most {MOST_STAGES} stages, evenly spaced."
NETWORKS_SHOWN = "Each column is one network, the first of its stage."
ACCURACY = (
    "Accuracy of the network on the explained images at each stage of {check}; dashed: "
    "chance there."
)
TRAINING = (
    "Accuracy on the images and labels trained on while the networks learned, a line per network; "
    "dot: after training; diamond: on all test images and their true labels, where a network of "
    "random labels can only guess. Dashed: chance on the test images; dotted: what a network of "
    "randomized labels is asked to learn, as one that learned less is worth no verdict."
)
