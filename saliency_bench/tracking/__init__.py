"""Runs in the stores where a team keeps its experiments: MLflow, Weights & Biases."""

from saliency_bench.tracking.mlflow import MLflow
from saliency_bench.tracking.tracker import Tracker
from saliency_bench.tracking.wandb import WeightsAndBiases

__all__ = ["MLflow", "Tracker", "WeightsAndBiases"]
