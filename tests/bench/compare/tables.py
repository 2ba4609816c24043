"""Markdown of what was measured, and its place in a page."""

import statistics

END = "<!-- to here -->"


def table(head, rows):
    """Rows of cells; the first column is text."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def by_round(workload, measured):
    """The table of one workload's rounds."""
    names = list(dict.fromkeys(one["server"] for one in measured))
    of = {name: [one for one in measured if one["server"] == name] for name in names}
    limit = {one["round"]: one for one in of.get("limit", [])}
    head = ["server", "requests/s", "of limit (range)", "CPU µs/request", "× limit", "p50 µs", "p99 µs", "errors"]
    if workload.idle:
        # The limit ties a thread to each connection, and answers nobody.
        head = [name for name in head if "limit" not in name] + [f"idle kept of {workload.idle}", f"starved of {workload.connections}", "resident MiB"]
    rows = []
    for name in names:
        ones = of[name]
        rates = ratios(ones, limit, "requests_per_second")
        costs = ratios(ones, limit, "cpu_us")
        row = [
            name,
            number(median(ones, "requests_per_second")),
            f"{statistics.median(rates):.2f} ({min(rates):.2f}–{max(rates):.2f})" if rates else "–",
            number(median(ones, "cpu_us"), 1),
            f"{statistics.median(costs):.2f}" if costs else "–",
            number(median(ones, "p50_us")),
            number(median(ones, "p99_us")),
            str(sum(one["errors"] for one in ones)),
        ]
        if workload.idle:
            row = row[:2] + [row[3]] + row[5:]
            row += [number(median(ones, "kept")), number(median(ones, "starved")), number(median(ones, "resident_kib") / 1024, 1)]
        rows.append(row)
    return table(head, rows)


def footprints(found):
    """Memory, size, start."""
    head = ["server", "processes", "resident, idle", "its own, idle", "its own after small requests", "… and MiBs in and out",
            "bytes of the file, stripped", "start to first answer, ms"]
    rows = []
    for name, one in found.items():
        after = one.get("after_large")
        rows.append([
            name, str(one["processes"]), number(one["idle"]["resident"]), number(one["idle"]["dirty"]),
            number(one["after_small"]["dirty"]), number(after and after["dirty"]), number(one["size"]),
            number(one["start_ms"], 2)])
    return table(head, rows)


def calls(found, workloads):
    """System calls a request."""
    rows = [[name, *(cell(by.get(w)) for w in workloads)] for name, by in found.items()]
    return table(["server", *workloads], rows)


def cell(counted):
    if not counted:
        return "–"
    most = sorted(counted.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{name} {calls:g}" for name, calls in most[:5])
    return f"**{sum(counted.values()):.1f}**: {shown}{', …' if len(most) > 5 else ''}"


def counted(found, workloads):
    """Instructions a request."""
    rows = [[name, *(number(by.get(w)) for w in workloads)] for name, by in found.items()]
    return table(["server", *workloads], rows)


def ratios(ones, limit, key):
    pairs = [(one[key], limit[one["round"]][key]) for one in ones if one["round"] in limit]
    return [mine / theirs for mine, theirs in pairs if mine is not None and theirs]


def median(ones, key):
    values = [one[key] for one in ones if one[key] is not None]
    return statistics.median(values) if values else None


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def into_page(path, texts):
    """Puts each text between the page's markers of its name; what stands around them is a person's. The names without a place."""
    page = path.read_text()
    homeless = []
    for name, text in texts.items():
        begin = f"<!-- written by scripts/bench --page: {name} -->"
        before, found, behind = page.partition(begin)
        if not found or END not in behind:
            homeless.append(name)
            continue
        behind = behind[behind.index(END):]
        page = f"{before}{begin}\n{text.strip()}\n{behind}"
    path.write_text(page)
    return homeless
