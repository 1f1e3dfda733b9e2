"""Tests of what operators see and change over HTTP."""
