"""Compares `rfmd replay` with the oracle on one input: final states at several instants and every decision.

    compare.py --dataset cdnow|online_retail        real data (RFMD_TEST_DATA)
    compare.py --seed N [--seeds COUNT]             made-up workloads (random_events.py)
    compare.py --config JSON --events NDJSON [--until TIME]...

RFMD_BINARY names rfmd. Exit code 1 with the first difference of the first input that differs, and how to see it
again; --keep FOLDER leaves its files."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

from configuration import rfmd_yaml
from datasets import CONFIGS, DATASETS, UNTIL
from events import instant
from oracle import Oracle, stamp
from random_events import Workload


AGAIN = "python3 Tests/Oracle/compare.py"


class Difference(Exception):
    """rfmd and the oracle do not agree."""


class Case:
    """One input: its files in a folder of its own, and what the oracle makes of it."""

    def __init__(self, folder, given, lines, until):
        self.folder, self.given, self.lines = folder, given, lines
        self.config, self.events = os.path.join(folder, "rfmd.yaml"), os.path.join(folder, "events.ndjson")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(rfmd_yaml(given))
        with open(os.path.join(folder, "oracle.json"), "w", encoding="utf-8") as file:
            json.dump(given, file, indent=1, ensure_ascii=False)
        with open(self.events, "wb") as file:
            file.writelines(lines)
        self.until = sorted(until, key=instant)
        # Of the instant before: each line that rfmd wrote, and what it says.
        self.written = []

    def compare(self, mutate=False):
        oracle, at = Oracle(self.given), 0
        if mutate:
            del oracle.config.ladders[0].rungs[:-1]
        records = [oracle.read(line) for line in self.lines]
        for until in self.until:
            limit = instant(until)
            while at < len(records) and (oracle.clock_after(records[at]) or limit) <= limit:
                oracle.apply(records[at], at + 1)
                at += 1
            if oracle.clock is not None:
                oracle.advance_all(limit)
                self._compare_states(oracle, at, until)
        if at < len(self.lines):
            raise ValueError("the last --until is before the last event")
        return oracle

    def _compare_states(self, oracle, at, until):
        """rfmd on the first `at` lines, its clock moved to `until`."""
        part = os.path.join(self.folder, "part.ndjson")
        with open(part, "wb") as file:
            file.writelines(self.lines[:at])
        state = os.path.join(self.folder, "state.ndjson")
        command = [binary(), "replay", "--config", self.config, "--until", until, "--state", state, part]
        run = subprocess.run(command, capture_output=True, check=False)
        self.command = " ".join(command)
        if run.returncode != 0:
            raise Difference(f"rfmd ended with {run.returncode}: {run.stderr.decode()[-2000:]}")
        compare_records(oracle, run.stderr.decode("utf-8").splitlines())
        compare_decisions(oracle, self._events(run.stdout.splitlines()))
        with open(state, encoding="utf-8") as file:
            found = file.read().splitlines()
        expected = oracle.state_lines()
        for ours, theirs in zip(expected, found):
            if ours != theirs:
                raise Difference(f"state at {until}\n  oracle {ours}\n  rfmd   {theirs}")
        if len(expected) != len(found):
            raise Difference(f"state at {until}: oracle has {len(expected)} customers, rfmd {len(found)}")

    def _events(self, lines):
        """What the lines say. Most stood there at the instant before, and are not read again."""
        for place, line in enumerate(lines):
            if place == len(self.written):
                self.written.append((line, json.loads(line)))
            elif self.written[place][0] != line:
                self.written[place] = (line, json.loads(line))
        del self.written[len(lines):]
        return [event for _, event in self.written]


def binary():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.environ.get("RFMD_BINARY") or os.path.join(root, ".build/release/rfmd")


def compare_records(oracle, errors):
    """Which lines were rejected, and how many were accepted, duplicates and skipped."""
    reports = [json.loads(line) for line in errors]
    counts, rejects = reports[-1], reports[:-1]
    ours, theirs = dict(oracle.rejected), {reject["line"]: reject["reason"] for reject in rejects}
    for line in sorted(ours.keys() ^ theirs.keys()):
        raise Difference(f"line {line}: oracle {ours.get(line, 'accepts')}, rfmd {theirs.get(line, 'accepts')}")
    expected = {"accepted": oracle.accepted, "duplicates": len(oracle.duplicates), "rejected": len(oracle.rejected),
                "skipped": len(oracle.skipped)}
    found = {key: counts[key] for key in expected}
    if found != expected:
        raise Difference(f"counts\n  oracle {expected}\n  rfmd   {found}\n  the oracle's duplicates: "
                         f"lines {oracle.duplicates[:20]}")


def by_customer(decisions):
    found = {}
    for decision in decisions:
        found.setdefault(decision["customer_id"], []).append(decision)
    return found


def compare_decisions(oracle, events):
    ours, episodes, soft = by_customer(oracle.decisions), {}, soft_names(oracle.config)
    theirs = by_customer([simple(event, episodes) for event in events])
    for customer in sorted(ours.keys() | theirs.keys()):
        expected, found = ours.get(customer, []), theirs.get(customer, [])
        for index in range(max(len(expected), len(found))):
            a = expected[index] if index < len(expected) else None
            b = found[index] if index < len(found) else None
            if a != b and not (a and b and close(a, b, soft)):
                raise Difference(f"decision {index + 1} of customer {customer!r}\n  oracle {json.dumps(a)}\n"
                                 f"  rfmd   {json.dumps(b)}")


def simple(event, episodes):
    """rfmd's event in the oracle's form; checks that CloudEvents' own fields and the episode say the same."""
    data = event["data"]
    if event["subject"] != data["customer_id"] or event["time"] != data["decided_at"]:
        raise Difference(f"an event that contradicts itself: {json.dumps(event)}")
    if "warning" in data:
        episode = (data["customer_id"], data["warning"], data["raised_at"])
        if episodes.setdefault(data["episode"], episode) != episode:
            raise Difference(f"one episode id for {episode} and {episodes[data['episode']]}")
        if episodes.setdefault(episode, data["episode"]) != data["episode"]:
            raise Difference(f"two episode ids for {episode}")
        if event["type"].endswith(".raised.v1") and data["raised_at"] != data["decided_at"]:
            raise Difference(f"raised_at is not decided_at: {json.dumps(event)}")
    kept = ("customer_id", "from", "to", "warning", "severity", "raised_at", "values", "cause", "rule", "distance",
            "decided_at")
    return {"type": event["type"], **{key: data[key] for key in kept if key in data}}


def close(ours, theirs, soft):
    """The same but for a millisecond, where activity decides, and for what is told of activity: that is not compared
    exactly (docs/rules.md)."""
    if not set(ours["rule"].values()) & soft:
        return False
    return close_values(ours, theirs, ours["decided_at"] != theirs["decided_at"])


def close_values(ours, theirs, is_apart):
    """`is_apart`: decided at two instants."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        if "condition" in ours:
            return close_condition(ours, theirs, is_apart)
        return all(near(ours[key], theirs[key]) if key in ("decided_at", "due", "raised_at")
                   else close_values(ours[key], theirs[key], is_apart) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return all(close_values(a, b, is_apart) for a, b in zip(ours, theirs))
    return ours == theirs


def close_condition(ours, theirs, is_apart):
    if not is_apart and "activity" not in ours["condition"] or ours["unit"] == "text":
        return ours == theirs
    return all(ours[key] == theirs[key] for key in ("condition", "unit", "holds")) \
        and all(close_number(ours[key], theirs[key], ours["unit"], is_apart) for key in ("value", "threshold"))


def close_number(ours, theirs, unit, is_apart):
    """But for one in the last place, and what doubles lose; of two instants, what a millisecond makes of it."""
    if ours is None or theirs is None:
        return ours is theirs
    step = {"number": 1e-6, "money": 10 ** -len(str(ours).partition(".")[2]), "duration": 1}[unit]
    return abs(float(ours) - float(theirs)) <= step * (100 if is_apart else 1.5) + 1e-9 * abs(float(ours))


def near(ours, theirs):
    return abs(instant(ours) - instant(theirs)) <= 1


def soft_names(config):
    """Ladders and warnings whose rules read activity, themselves or by a ladder before them."""
    soft = set()
    for ladder in config.ladders:
        if any(rule and reads(rule, soft) for _, rule in ladder.rungs):
            soft.add(ladder.name)
    return soft | {warning.name for warning in config.warnings if reads(warning.rule, soft)}


def reads(rule, soft):
    return any(word in soft or word in ("activity", "activity_trend") for _, word in rule.tokens)


def run(name, given, lines, until, keep, again, mutate=False):
    folder = keep or tempfile.mkdtemp(prefix="rfmd-oracle-")
    os.makedirs(folder, exist_ok=True)
    case = Case(folder, given, lines, until)
    try:
        oracle = case.compare(mutate)
    except Difference as difference:
        print(f"{name}: {difference}\nseen with: {case.command}\nto see it again: {again}", file=sys.stderr)
        return False
    if not keep:
        shutil.rmtree(folder)
    print(f"{name}: {len(lines)} lines, {len(oracle.customers)} customers, {len(oracle.decisions)} decisions, "
          f"{len(oracle.duplicates)} duplicates, {len(oracle.rejected)} rejected: the same at {len(until)} instants")
    return True


def dataset(arguments):
    name = arguments.dataset
    if "RFMD_TEST_DATA" not in os.environ:
        sys.exit("RFMD_TEST_DATA must name the folder of the data sets")
    lines = [json.dumps(event).encode() + b"\n" for event in DATASETS[name](os.environ["RFMD_TEST_DATA"])]
    return run(name, CONFIGS[name], lines, UNTIL[name], arguments.keep, f"{AGAIN} --dataset {name}")


def files(arguments):
    with open(arguments.config, encoding="utf-8") as file:
        given = json.load(file)
    with open(arguments.events, "rb") as file:
        lines = file.readlines()
    until = arguments.until
    if not until:
        oracle = Oracle(given)
        for line in lines:
            oracle.clock = oracle.clock_after(oracle.read(line))
        until = [stamp(oracle.clock)]
    return run(arguments.events, given, lines, until, arguments.keep, " ".join([AGAIN] + sys.argv[1:]))


def seed(arguments, number):
    workload = Workload(number)
    return run(f"seed {number}", workload.given, workload.lines, workload.until, arguments.keep,
               f"{AGAIN} --seed {number}{' --mutate' if arguments.mutate else ''}", arguments.mutate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=DATASETS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--config")
    parser.add_argument("--events")
    parser.add_argument("--until", action="append")
    parser.add_argument("--binary", help="rfmd; else RFMD_BINARY, else the release build")
    parser.add_argument("--mutate", action="store_true", help="the oracle forgets the rules of the first ladder: a test of this test")
    parser.add_argument("--keep", help="work in this folder and leave it")
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["RFMD_BINARY"] = arguments.binary
    if arguments.dataset:
        fine = dataset(arguments)
    elif arguments.seed is not None:
        fine = all([seed(arguments, arguments.seed + i) for i in range(arguments.seeds)])
    elif arguments.config and arguments.events:
        fine = files(arguments)
    else:
        parser.error("--dataset, --seed, or --config and --events")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
