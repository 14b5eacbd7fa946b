"""What a reader must know to read each figure. Braces are filled in with the run's names."""

from __future__ import annotations

from saliency_bench.report.figures.mapgrid import MOST_STAGES

STAGES = (
    "Similarity of each map with the untouched network's ({similarity}) along {check}, mean over "
    "images and draws with its 95 % interval. Ceiling: nothing changed; stage 0 stands there. "
    "Null: maps that share only the explainer. Floor: maps of two draws of "
    "that stage on one image; where every layer is redrawn, of two unrelated networks."
)
RETAINED = (
    "Share of the map that is left along {check} ({similarity}): (score - null) / (ceiling - "
    "null). Colours are clipped to 0 and 1, numbers are not; {statistic}; hatched is undefined."
)
STATISTICS = {
    "area": "area is the mean over the cascade",
    "last": "last is the last stage, on which the verdict is taken",
    "mean": "mean is that over the stages",
}
TWINS = (
    "Similarity ({similarity}) of the maps of networks under {check}: of twins, two networks "
    "trained on true labels, and of a network trained on true labels with one trained on "
    "{last}; mean over networks and images with its 95 % interval. Null: maps of other "
    "images. Twins are the ceiling: where both bars are as long, the labels left no trace in the "
    "map."
)
LEVELS = (
    "Similarity ({similarity}) of maps of a network trained on true labels with those of one "
    "trained on labels of which a share is randomized, under {check}; at 0 its twins, which are "
    "the ceiling. Mean over networks and images with its 95 % interval. Null: maps of other "
    "images. Floor: maps of two networks of that share on one image."
)
MAPS = (
    "Maps of one image along {check}, channels summed, each in units of its own 99th percentile of "
    "|m|: size cannot be compared between maps. Colours diverge about 0 where the untouched map "
    "has negative values and else start at 0. Hatched is undefined. {columns}"
)
STAGES_SHOWN = f"At most {MOST_STAGES} stages, evenly spaced."
NETWORKS_SHOWN = (
    "Each column is one network: the one under test, trained on true labels and explained as it "
    "is; a twin of it; and one of each kind whose labels are randomized."
)
ACCURACY = "Accuracy of the network at each stage of {check}; dashed: chance."
TRAINING = (
    "Accuracy on the images and labels trained on while the networks learned, a line per network; "
    "dot: after training; diamond: on the images to explain and their true labels, where a network "
    "of random labels can but guess. Dashed: chance; dotted: what a network of randomized labels "
    "is asked to learn, as one that learned less is worth no verdict."
)
