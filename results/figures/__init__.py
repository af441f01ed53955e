"""Plotly figures: each function draws one table that a function of `results.analysis` or `results.diagnosis` returns."""

from results.figures.class_diagnoses import (
    confidence_figure,
    confusion_figure,
    per_class_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from results.figures.diagnoses import (
    baselines_figure,
    calibration_figure,
    dependence_figure,
    gaps_at_end_figure,
    gaps_over_epochs_figure,
    residuals_by_bin_figure,
    sensitivity_figure,
)
from results.figures.runs import (
    bands_figure,
    curves_figure,
    distribution_figure,
    importance_figure,
    interactions_figure,
    parallel_figure,
    pareto_figure,
    rungs_figure,
)

__all__ = [
    "bands_figure",
    "baselines_figure",
    "calibration_figure",
    "confidence_figure",
    "confusion_figure",
    "curves_figure",
    "dependence_figure",
    "distribution_figure",
    "gaps_at_end_figure",
    "gaps_over_epochs_figure",
    "importance_figure",
    "interactions_figure",
    "parallel_figure",
    "pareto_figure",
    "per_class_figure",
    "precision_recall_figure",
    "reliability_figure",
    "residuals_by_bin_figure",
    "roc_figure",
    "rungs_figure",
    "sensitivity_figure",
]
