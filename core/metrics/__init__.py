"""Metrics of predictions: classification, regression, calibration."""
