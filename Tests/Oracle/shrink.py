"""Makes a made-up workload that shows a difference as small as it gets: lines and rules are left out one by one.

    shrink.py SEED FOLDER    leaves oracle.json, rfmd.yaml and events.ndjson there, and prints the difference"""
import copy
import json
import os
import sys
import tempfile

from compare import Case, Difference, simplify
from random_events import Workload
from rules import RuleError


def difference(given, lines, until, folder=None):
    """The text of the first difference, None if there is none."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            Case(folder or scratch, given, lines, until).compare()
        except Difference as found:
            return str(found)
        except (RuleError, ValueError):  # left out so much that the rest is no configuration
            return None
    return None


def fewer_lines(given, lines, until, kind):
    step = max(1, len(lines) // 2)
    while step:
        at = 0
        while at < len(lines):
            rest = lines[:at] + lines[at + step:]
            if rest and kind(difference(given, rest, until)):
                lines = rest
            else:
                at += step
        step //= 2
    return lines


def fewer_rules(given, lines, until, kind):
    for key in ("warnings", "ladders"):
        for index in reversed(range(len(given.get(key, [])))):
            rest = copy.deepcopy(given)
            del rest[key][index]
            given = rest if kind(difference(rest, lines, until)) else given
    for place, ladder in enumerate(given.get("ladders", [])):
        for index in reversed(range(len(ladder["rungs"]) - 1)):
            rest = copy.deepcopy(given)
            del rest["ladders"][place]["rungs"][index]
            given = rest if kind(difference(rest, lines, until)) else given
    return given


def main():
    workload, folder = Workload(int(sys.argv[1])), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    simplify(workload.given)
    given, lines, until = workload.given, workload.lines, workload.until
    first = difference(given, lines, until)
    if first is None:
        sys.exit("rfmd and the oracle agree")

    def kind(text):
        return text is not None and text.split()[0] == first.split()[0] and not text.startswith("rfmd ended")

    for fewer in ([until[-1]], until[:1], until[1:2]):
        if fewer and kind(difference(given, lines, fewer)):
            until = fewer
            break
    lines = fewer_lines(given, lines, until, kind)
    given = fewer_rules(given, lines, until, kind)
    lines = fewer_lines(given, lines, until, kind)
    print(difference(given, lines, until, folder))
    print(json.dumps(given, ensure_ascii=False), b"".join(lines).decode("utf-8", "replace"), *until, sep="\n")


if __name__ == "__main__":
    main()
