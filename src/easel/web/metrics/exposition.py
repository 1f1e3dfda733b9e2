"""Writes readings in the formats of Prometheus: its text format, or OpenMetrics if the client asks for it.

Adds what `prometheus_client` knows about the process: memory, processor time and open files, on Linux alone.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from easel.live.instruments import Distribution, Reading


class _Readings(Collector):
    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def collect(self) -> list[Metric]:
        return [_family(reading) for reading in self._readings]


def page(readings: Sequence[Reading], accept: str) -> tuple[bytes, str]:
    """The page and its content type. `accept` is the request's header. Readings of one name must have one kind."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Readings(_merged(readings)))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _merged(readings: Sequence[Reading]) -> list[Reading]:
    """One reading for each name: a family may stand on the page only once."""
    merged: dict[str, Reading] = {}
    for reading in readings:
        earlier = merged.get(reading.name)
        values = reading.values if earlier is None else [*earlier.values, *reading.values]
        merged[reading.name] = Reading(
            reading.kind, reading.name, reading.description, reading.labels, values, reading.bounds
        )
    return list(merged.values())


def _family(reading: Reading) -> Metric:
    match reading.kind:
        case "histogram":
            return _histogram(reading)
        case "counter":
            counter = CounterMetricFamily(reading.name, reading.description, labels=reading.labels)
            for labels, value in reading.values:
                assert not isinstance(value, Distribution)
                counter.add_metric(labels, value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(reading.name, reading.description, labels=reading.labels)
            for labels, value in reading.values:
                assert not isinstance(value, Distribution)
                gauge.add_metric(labels, value)
            return gauge


def _histogram(reading: Reading) -> Metric:
    family = HistogramMetricFamily(reading.name, reading.description, labels=reading.labels)
    bounds = [*(str(float(bound)) for bound in reading.bounds), "+Inf"]
    for labels, value in reading.values:
        assert isinstance(value, Distribution)
        family.add_metric(labels, buckets=list(zip(bounds, value.counts, strict=True)), sum_value=value.total)
    return family
