import re

import pytest

from rafsight.interfaces.service.web.metrics import (
    ACCEPTED,
    IN_FLIGHT,
    REQUESTS,
    SCAN_SECONDS,
    SECONDS,
    Family,
    Metrics,
    Reading,
    process_readings,
)

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)\Z')
PAIR = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')


def parse(text):
    """Read the text format as its description has it: every line is checked, and samples stand under their family."""
    assert text.endswith("\n")
    families, samples, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in families, f"{current} comes twice"
            families[current] = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert kind in ("counter", "gauge", "histogram")
            families[name] = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            base = re.sub(r"_(bucket|sum|count)$", "", found[1]) if families[current] == "histogram" else found[1]
            assert base == current, line
            labels = tuple(PAIR.findall(found[2] or ""))
            assert (found[1], labels) not in samples, f"{line} comes twice"
            samples[found[1], labels] = float(found[3])
    return families, samples


def test_counters_and_gauges():
    metrics = Metrics()
    metrics.count(REQUESTS, "GET", "get_scan", "200")
    metrics.count(REQUESTS, "GET", "get_scan", "200")
    metrics.count(IN_FLIGHT)
    metrics.count(IN_FLIGHT, amount=-1)
    families, samples = parse(metrics.render())
    assert families["rafsight_http_requests_total"] == "counter"
    labels = (("method", "GET"), ("route", "get_scan"), ("status", "200"))
    assert samples["rafsight_http_requests_total", labels] == 2
    assert samples["rafsight_http_in_flight", ()] == 0


def test_histograms_add_up():
    metrics = Metrics()
    for seconds in (0.001, 0.005, 0.006, 3.0, 60.0):
        metrics.time(SECONDS, seconds, "x")
    metrics.time(SCAN_SECONDS, 100.0, "done")
    _, samples = parse(metrics.render())

    def bucket(bound, name="rafsight_http_request_seconds", label=("route", "x")):
        return samples[f"{name}_bucket", (label, ("le", bound))]

    assert [bucket(bound) for bound in ("0.005", "0.01", "2.5", "5.0", "10.0", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert samples["rafsight_http_request_seconds_count", (("route", "x"),)] == 5
    assert samples["rafsight_http_request_seconds_sum", (("route", "x"),)] == pytest.approx(63.012)
    assert bucket("120.0", "rafsight_scan_seconds", ("state", "done")) == 1
    assert bucket("60.0", "rafsight_scan_seconds", ("state", "done")) == 0


def test_labels_are_escaped():
    metrics = Metrics()
    metrics.count(ACCEPTED, 'a"b\\c\nd', "no")
    _, samples = parse(metrics.render())
    assert ("rafsight_scans_accepted_total", (("source", 'a\\"b\\\\c\\nd'), ("joined", "no"))) in samples


def test_readings_of_others():
    family = Family(name="x_bytes", kind="gauge", help="Size.")
    text = Metrics().render([Reading(family=family, values={(): 1.5}), *process_readings(5.0)])
    _, samples = parse(text)
    assert samples["x_bytes", ()] == 1.5
    assert samples["process_start_time_seconds", ()] == 5
    assert samples["process_resident_memory_bytes", ()] > 1e6
    assert samples["process_open_fds", ()] > 2
