"""Judges of prompts and pictures, and the rules' terms and thresholds."""
