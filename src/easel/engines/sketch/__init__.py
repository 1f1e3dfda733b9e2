"""Scenes from rules and vectors: understands prompts without a model."""
