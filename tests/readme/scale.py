"""scale.py QUERN PAGE: the tables of 10^9 and 10^10 ratings in PAGE are what `quern plan als` says.

With --write the rows are put there."""
import json
import re
import subprocess
import sys


def three(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def amount(count):
    for unit in "B", "KB", "MB", "GB", "TB":
        if float(three(count)) < 1000 or unit == "TB":
            return f"{three(count)} {unit}" if count else "0"
        count /= 1000


def seconds(value):
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def row(quern, users, items, ratings, rank, workers):
    words = f"--users {users} --items {items} --ratings {ratings} --rank {rank} --workers {workers} --threads 8 --memory 32000000000"
    if workers == 512:
        words += " --partitions 2048"
    plan = json.loads(subprocess.run([quern, "plan", "als", *words.split(), "--json"], check=True, capture_output=True).stdout)
    worker = {k: v["estimate"] if isinstance(v, dict) else v for k, v in plan["worker_bytes"].items()}
    moved = {k: v["estimate"] for k, v in plan["moved_bytes"].items()}
    took = plan["iteration_seconds"]["all"]
    return [
        str(rank),
        str(workers),
        f'{plan["layout"]["workers_with_users"]} / {plan["layout"]["workers_with_items"]}',
        amount(worker["ratings"]),
        amount(worker["fixed"]),
        amount(worker["held"]) + ("" if plan["fits"] else " **does not fit**"),
        amount(worker["spilled"]),
        amount(moved["load_ids"] + moved["load_degrees"] + moved["load_ratings"]),
        amount(plan["received_bytes_an_iteration"]),
        amount(plan["checkpoint_bytes"]["one"]["estimate"]),
        f'{seconds(took["least"])} s to {seconds(took["most"])} s' if plan["fits"] else "-",
    ]


def main(quern, page, write):
    shape, lines, wrong, n = None, [], 0, 0
    for line in open(page, encoding="utf-8"):
        title = re.match(r"### 10(⁹|¹⁰) ratings", line)
        if title:
            shape = (10**7, 10**6, 10**9) if title[1] == "⁹" else (10**8, 10**7, 10**10)
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if shape and len(cells) == 11 and cells[0].isdigit():
            n += 1
            true = row(quern, *shape, int(cells[0]), int(cells[1]))
            if cells != true:
                wrong += 1
                print(f"{page} has\n  {cells}\nand plan says\n  {true}")
            line = "| " + " | ".join(true) + " |\n"
        lines.append(line)
    if write:
        open(page, "w", encoding="utf-8").writelines(lines)
    if n < 18:
        sys.exit(f"only {n} rows found in {page}")
    sys.exit(1 if wrong and not write else 0)


main(sys.argv[1], sys.argv[2], sys.argv[3:] == ["--write"])
