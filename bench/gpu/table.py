"""What the benchmark has found as text for `docs/performance.md`: made of its JSON alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from pymafx_live.bench.floor import Rates, Work
from pymafx_live.bench.gpu.journal import OK

Document = Mapping[str, Any]
Rows = Mapping[str, Mapping[str, Any]]
GRAPHS = {"hands": 2, "face": 1, "body": 1}
"""Rows of each graph for one person."""
OVER = 1.2
"""Times its floor that something may take without being named."""


def report(document: Document) -> str:
    """Markdown: the machine, a table of the networks beside their floors, one of the pipeline, and what is amiss."""
    made = (_machine, _networks, _scratch, _pipeline, _calls, _over, _amiss)
    parts = [part(document) for part in made]
    return "\n\n".join(part for part in parts if part) + "\n"


def rows_of(document: Document, step: str) -> Rows:
    """The rows of a step, none where it did not run."""
    return next((entry["figures"] for entry in document["steps"] if entry["name"] == step), {})


def floors(document: Document) -> dict[str, tuple[float, float]]:
    """Of each network and batch the milliseconds that it took and those of its floor, at the rates of the machine."""
    rates, found = rows_of(document, "machine").get("rates"), {}
    rate = _rate(document)
    for name, row in rows_of(document, "times").items():
        took = row.get("event p50", row.get("p50"))
        if rates and took and row.get("flops") and rates.get(rate) and rates.get("bytes"):
            floor = Work(row["flops"], row["weights"]).floor(1, Rates(rates[rate], rates["bytes"]))
            found[name] = took, 1e3 * floor
    return found


def _rate(document: Document) -> str:
    """Which rate the graphs' products go by: that of the precision that passed."""
    passed = rows_of(document, "gate").get("passed", {}).get("precision", "mixed")
    return "fp32" if passed == "fp32" else "mixed"


def _machine(document: Document) -> str:
    rows = rows_of(document, "machine")
    card, rates = rows.get("card", {}), rows.get("rates", {})
    on = f"{card['name']} ({card['capability']}), driver {card['driver']}, {card['TensorRT']}" if card else "no card"
    told = [f"{rates[k] / 1e12:.1f} TFLOP/s in {k}" for k in ("fp32", "mixed") if rates.get(k)]
    told += [f"{rates['bytes'] / 1e9:.0f} GB/s"] if rates.get("bytes") else []
    versions = rows.get("packages", {})
    named = [f"{name} {versions[name]}" for name in ("pymafx-live", "torch") if name in versions]
    passed = rows_of(document, "gate").get("passed", {}).get("precision", "none passed")
    return f"{on}; {', '.join(named)}; precision: {passed}; {', '.join(told)}."


def _networks(document: Document) -> str:
    found = floors(document)
    if not found:
        return ""
    host = rows_of(document, "times")
    lines = ["| network | ms, waiting | ms on the card | floor | times |", "| --- | --- | --- | --- | --- |"]
    for name, (took, floor) in found.items():
        lines.append(f"| {name} | {_ms(host[name].get('p50'))} | {_ms(took)} | {_ms(floor)} | {took / floor:.1f} |")
    for people in (1, 2, 4):
        names = [f"{graph}, batch {count * people}" for graph, count in GRAPHS.items()]
        if all(name in found for name in names):
            took, floor = (sum(found[name][k] for name in names) for k in (0, 1))
            lines.append(f"| all, {people} people | | {_ms(took)} | {_ms(floor)} | {took / floor:.1f} |")
    return "\n".join(lines)


def _scratch(document: Document) -> str:
    """Engines whose batch sizes share scratch memory, as a run has them, beside such with memory of their own."""
    lines = []
    for name, row in rows_of(document, "scratch").items():
        key = next((key for key in ("event p50", "p50") if f"shared {key}" in row and f"own {key}" in row), None)
        if key is not None:
            lines.append(f"- {name}: {_ms(row[f'shared {key}'])} ms shared, {_ms(row[f'own {key}'])} ms own")
    return "\n".join(["Scratch memory:", *lines]) if lines else ""


def _pipeline(document: Document) -> str:
    head = "| 1920 x 1080 | p50 / p95 / p99 | frames a second | dropped | people | networks |"
    lines = [head, "|" + " --- |" * 6]
    for step in ("one person", "four people", "changes"):
        for name, row in rows_of(document, step).items():
            if row.get("p50") is None:
                continue
            ages = " / ".join(_ms(row.get(p)) for p in ("p50", "p95", "p99"))
            counts = " | ".join(_number(row.get(k)) for k in ("fps", "dropped", "found"))
            lines.append(f"| {step}, {name} | {ages} | {counts} | {_ms(row.get('networks p50'))} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _calls(document: Document) -> str:
    """How often the host waited, launched and copied for a frame."""
    lines = []
    for step in ("one person", "four people"):
        if row := rows_of(document, step).get("calls a frame"):
            told = ", ".join(f"{row[kind]:.0f} {kind}" for kind in ("waits", "launches", "graphs", "copies"))
            lines.append(f"- {step}: {told}; {_ms(row['waiting'])} ms waited")
    return "\n".join(["Calls a frame:", *lines]) if lines else ""


def _over(document: Document) -> str:
    """What takes much more than its floor, the largest difference first."""
    found = floors(document).items()
    over = [(took - floor, name, took, floor) for name, (took, floor) in found if took > OVER * floor]
    lines = [
        f"- {name}: {_ms(took)} ms, {_ms(more)} over its floor of {_ms(floor)} ({took / floor:.1f} times)"
        for more, name, took, floor in sorted(over, reverse=True)
    ]
    return "\n".join(["Over the floor of the card:", *lines]) if lines else ""


def _amiss(document: Document) -> str:
    """Steps that did not go well, what memory grew, and what was said of CUDA graphs."""
    return "\n".join(["Amiss:", *lines]) if (lines := list(_faults(document))) else ""


def _faults(document: Document) -> Iterator[str]:
    for entry in document["steps"]:
        if entry["state"] != OK:
            yield f"- {entry['name']}: {entry['state']}" + (f": {entry['error']}" if entry["error"] else "")
        for text in entry["said"]:
            if "no CUDA graph" in text or " says: " in text:
                yield f"- {entry['name']}: {text}"
    for name, text in rows_of(document, "memory").get("memory", {}).items():
        if name.endswith("grows"):
            yield f"- memory: {text}"
    if rows_of(document, "restart").get("restart", {}).get("built"):
        yield "- restart: something was built again; the step's messages say what"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
