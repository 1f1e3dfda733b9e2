"""Tests of the service behind real reverse proxies."""
