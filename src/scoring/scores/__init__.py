"""Targets, models and calibration, and the exact contributions that explain a margin."""
