"""Turns into medians and ratios, and prints them."""

from dataclasses import asdict, dataclass, field
from statistics import median

from sections import GOALS, Goal, Section

OURS = "loadprof"


@dataclass
class Row:
    """One tool in one section: what every turn gave, or why there is nothing."""
    section: str
    tool: str
    turns: list[dict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def values(self, figure: str) -> list[float]:
        return [turn[figure] for turn in self.turns if turn[figure] is not None]

    def median(self, figure: str) -> float | None:
        values = self.values(figure)
        return median(values) if values else None

    def spread(self, figure: str) -> float | None:
        values, middle = self.values(figure), self.median(figure)
        return (max(values) - min(values)) / middle if middle and len(values) > 1 else None

    def marked(self) -> bool:
        return bool(self.failures) or any(turn["errors"] for turn in self.turns)


def pairs(ours: Row, theirs: Row, figure: str, difference: bool) -> list[float]:
    """Ours against theirs within each turn: neighbours in time share what the machine was doing."""
    other = {turn["turn"]: turn[figure] for turn in theirs.turns}
    found = [(turn[figure], other.get(turn["turn"])) for turn in ours.turns]
    return [a - b if difference else a / b for a, b in found if a is not None and b]


def print_table(sections: list[Section], rows: list[Row]) -> None:
    head = (f"{'':<14}{'requests/s':>11}{'ratio':>7}{'CPU us/req':>11}{'ratio':>7}{'+-':>6}{'sent/asked':>11}"
            f"{'p50 us':>9}{'p99 us':>9}{'late p99':>9}{'nginx':>7}{'others':>7}  remarks")
    for section in sections:
        of_section = [row for row in rows if row.section == section.key]
        if not of_section:
            continue
        print(f"\n({section.key}) {section.title}\n{head}")
        base = next((row for row in of_section if row.tool == OURS), None)
        for row in of_section:
            print(line(row, base))


def line(row: Row, base: Row | None) -> str:
    if not row.turns:
        return f"{row.tool:<14}not measured: {row.failures[0] if row.failures else 'no turns'}"
    remarks = [row.turns[-1]["remark"]] if row.turns[-1]["remark"] else []
    errors = sum(turn["errors"] for turn in row.turns)
    if errors:
        remarks.append(f"! {errors} errors")
    remarks += [f"! {failure}" for failure in row.failures[:1]]
    return (f"{row.tool:<14}{shown(row.median('rate'), ',.0f'):>11}{ratio(row, base, 'rate'):>7}"
            f"{shown(row.median('cpu_us'), '.2f'):>11}{ratio(row, base, 'cpu_us'):>7}"
            f"{shown(row.spread('cpu_us'), '.0%'):>6}{shown(row.median('sent_asked'), '.3f'):>11}"
            f"{shown(row.median('p50'), ',.0f'):>9}{shown(row.median('p99'), ',.0f'):>9}"
            f"{shown(row.median('late_p99'), ',.0f'):>9}{shown(row.median('server_busy'), '.0%'):>7}"
            f"{shown(row.median('foreign'), '.0%'):>7}  {'; '.join(remarks)}")


def ratio(row: Row, base: Row | None, figure: str) -> str:
    if base is None or row is base:
        return "1" if row is base else "-"
    values = pairs(row, base, figure, False)
    return f"{median(values):.2f}" if values else "-"


def shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def verdicts(rows: list[Row]) -> list[dict]:
    index = {(row.section, row.tool): row for row in rows}
    return [verdict(goal, index) for goal in GOALS]


def verdict(goal: Goal, index: dict) -> dict:
    ours = index.get((goal.section, goal.ours))
    theirs = index.get((goal.section, goal.peer)) if goal.peer else None
    if ours is None or (goal.peer and theirs is None):
        values = []
    else:
        values = pairs(ours, theirs, goal.figure, goal.difference) if theirs else ours.values(goal.figure)
    result = asdict(goal) | {"measured": None, "low": None, "high": None, "turns": len(values)}
    result["result"] = "not measured"
    if values:
        middle = median(values)
        judged = abs(middle) if goal.difference else middle
        reached = judged >= goal.limit if goal.at_least else judged <= goal.limit
        result |= {"measured": middle, "low": min(values), "high": max(values)}
        result["result"] = "reached" if reached else "missed"
        if not goal.difference and min(values) < goal.limit < max(values):
            result["result"] += ", not in every turn"
        if ours.marked() or (theirs and theirs.marked()):
            result["result"] += ", with errors"
    return result


def print_verdicts(results: list[dict], rows: list[Row]) -> None:
    print(f"\n{'goal':<58}{'target':>9}{'measured':>10}{'from':>9}{'to':>9}  result")
    for r in results:
        sign = ">=" if r["at_least"] else "<="
        limit = f"{sign} {r['limit']:.4g}"
        numbers = "".join(f"{shown(r[key], '#.3g' if abs(r[key] or 0) < 100 else '.0f'):>{width}}"
                          for key, width in (("measured", 10), ("low", 9), ("high", 9)))
        print(f"{r['text']:<58}{limit:>9}{numbers}  {r['result']}")
    paced = [f"{row.tool} {row.median('sent_asked'):.3f}" for row in rows if row.section == "pacing" and row.turns]
    if paced:
        print(f"sent/asked at 10,000/s: {', '.join(paced)}")
