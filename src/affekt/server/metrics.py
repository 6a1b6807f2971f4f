"""What the server counts, for Prometheus. Never what somebody said or what it is called."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

#: Seconds; the last two are for whole recordings.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Counters of one server; each server has its own registry, so that several may run in one process."""

    def __init__(self) -> None:
        self._registry = kept = CollectorRegistry()
        self._requests = Counter("affekt_requests", "Requests answered.", ("method", "route", "status"), registry=kept)
        self._seconds = Histogram(
            "affekt_request_seconds", "Time to the end of the answer.", ("route",), registry=kept, buckets=_BUCKETS
        )
        self._recordings = Counter("affekt_recordings", "Recordings worked on.", ("outcome",), registry=kept)
        self._recorded = Counter("affekt_recorded_seconds", "Their length.", registry=kept)
        self.streams = Gauge("affekt_streams", "Live streams, those that may be resumed among them.", registry=kept)
        self._opened = Counter("affekt_streams_opened", "Live streams so far.", registry=kept)
        self._closed = Counter(
            "affekt_streams_closed", "Live streams that ended, by close code.", ("code",), registry=kept
        )
        self._streamed = Counter("affekt_streamed_seconds", "Signal of live streams.", registry=kept)
        self._lag = Histogram(
            "affekt_stream_lag_seconds", "From a piece of signal to its events.", registry=kept, buckets=_BUCKETS
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def recording(self, seconds: float | None) -> None:
        """A recording was processed; None if it could not be read."""
        self._recordings.labels("failed" if seconds is None else "done").inc()
        self._recorded.inc(seconds or 0.0)

    def opened(self) -> None:
        """A stream began."""
        self._opened.inc()

    def closed(self, code: int) -> None:
        """A connection of a stream ended."""
        self._closed.labels(str(code)).inc()

    def streamed(self, seconds: float, lag: float) -> None:
        """A piece of a stream was processed, and its events came after ``lag`` seconds."""
        self._streamed.inc(seconds)
        self._lag.observe(lag)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)
