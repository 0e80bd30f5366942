#!/usr/bin/env python3
"""rfmd beside the same job on Kafka Streams: one run, one broker, the same records, the same way to measure.

    KAFKA_HOME=DIR Benchmarks/peer.py PEERS [--events N] [--customers N] [--stores memory,rocksdb] [--rules tiers|all]

PEERS holds kafka-streams/measure.py and load/ (generator, follower of a group's positions, oracle). Its Measurement is used for both sides: here
only the process that is started, and the form of what it writes, are rfmd's. So rates, processor time, memory and restarts are taken by the same
code. Each side reads a topic of its own that holds the very same records. Needs a built rfmd, and what measure.py needs: kcat, librdkafka-dev, a C
compiler, Java 17. Prints what each side measured, then a table with ratios; exit code 1 if a side's output differs from the oracle's.
"""
import argparse
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SNAPSHOT_SECONDS = 2
# How the table names what measure.py prints; a figure is the first number behind the words. True: more is better.
FIGURES = [
    ("events/s, first commit to lag 0", "sustained", True),
    ("events/s, second half", "second half", True),
    ("CPU s per million events", "CPU, start to lag 0", False),
    ("the same, second half", "CPU, second half", False),
    ("broker's CPU s per million events", "broker CPU", False),
]
RESTARTS = [("kill -9, state deleted", "wiped"), ("kill -9, state kept", "kept"), ("SIGTERM", "clean")]


def load_measure(peers):
    path = os.path.join(peers, "kafka-streams", "measure.py")
    if not os.path.exists(path):
        sys.exit(f"peer.py: there is no {path}")
    spec = importlib.util.spec_from_file_location("measure", path)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True  # the folder of the peers may be read-only
    spec.loader.exec_module(module)
    return module


class RfmdJob:
    """`rfmd run` with the interface of measure.py's Job. It tells when it is ready, its state recovered, as a service does."""

    def __init__(self, m):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(m.work, f"notify-{m.starts}")
        self.socket.bind(path)
        self.log = os.path.join(m.work, f"rfmd-{m.starts}.log")
        m.starts += 1
        environment = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "INVOCATION_ID")}
        self.ready = None
        threading.Thread(target=self.receive, daemon=True).start()
        with open(self.log, "w") as log:
            self.started = time.time()
            self.process = subprocess.Popen([m.options.rfmd, "run", "--config", m.configuration, *m.arguments], stdout=log, stderr=log,
                                            env={**environment, "NOTIFY_SOCKET": path})
        self.pid = self.process.pid
        self.is_to_end = False
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        # Who follows the group's positions would wait for ever.
        self.process.wait()
        if not self.is_to_end:
            print(f"rfmd ended with {self.process.returncode}:\n{self.last_words()}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

    def receive(self):
        # To the end: rfmd waits when nobody reads what it tells.
        while True:
            if self.socket.recv(65536) == b"READY=1":
                self.ready = time.time()

    def running_after(self):
        return self.ready - self.started if self.ready else float("nan")

    def kill(self):
        self.is_to_end = True
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        self.is_to_end = True
        self.process.terminate()
        if self.process.wait():
            sys.exit(f"rfmd ended with {self.process.returncode}:\n{self.last_words()}")

    def last_words(self):
        with open(self.log) as log:
            return log.read()[-4000:]


def peer_measurement(measure):
    class PeerMeasurement(measure.Measurement):
        def generate(self, first, last, to_kafka=True, **popen):
            """For the oracle the records as they lie in the topic: a batch that the generator sent again may stand behind the next one."""
            if to_kafka:
                return super().generate(first, last, **popen)
            command = ["kcat", "-q", "-C", "-b", self.options.bootstrap, "-t", self.source, "-o", "beginning", "-e", "-f", "%s\n"]
            return subprocess.Popen(command, **popen)

    return PeerMeasurement


def rfmd_measurement(measure):
    """The peer's measurement with rfmd in the place of the job. measure.py starts its jobs by the name Job: run_side() sets it."""

    class RfmdMeasurement(peer_measurement(measure)):
        def __init__(self, options):
            super().__init__(options)
            self.group, self.arguments = self.target, []
            self.configuration = os.path.join(self.work, "rfmd.yaml")
            self.configure()

        def configure(self, snapshots=""):
            options = self.options
            names = ["warnings", "dead_letters", "journal", "versions"] + (["lifecycle"] if options.rules == "all" else [])
            outputs = ", ".join([f"tier: {self.target}"] + [f"{name}: {self.target}.{name}" for name in names])
            with open(self.configuration, "w") as file:
                file.write(f"""instance: peer
kafka: {{ bootstrap: "{options.bootstrap}", group: {self.group}, properties: {{ compression.type: lz4 }} }}
inputs: [ {{ topic: {self.source}, fields: {{ occurred_at: {{ at: /occurred_at, unit: ms }} }} }} ]
money: {{ currency: CNY }}
outputs: {{ topics: {{ {outputs} }} }}
snapshots: {{ folder: {self.state}{snapshots} }}
workers: {options.workers}
emit_from: earliest
""" + ("" if options.rules == "all" else TIERS))

        def load(self):
            job = super().load()
            if self.options.restarts:
                # The load is measured with what is the default, minutes between snapshots. For the restarts there has to be one.
                job.terminate()
                self.configure(f", every: {SNAPSHOT_SECONDS}s")
                job = measure.Job(self)
            return job

        def topics(self, *arguments):
            # rfmd makes its output topics itself.
            return [] if self.target in arguments else super().topics(*arguments)

        def interrupt(self, job, first, last):
            # What is kept is the newest snapshot of each shard, and one is written only with a batch: so records come until there is one of each.
            at, step = first, max(1, (last - first) // 200)
            while len(self.shards_with_snapshot()) < measure.PARTITIONS:
                if at >= first + (last - first) // 2:
                    sys.exit(f"rfmd wrote no snapshot of each shard:\n{job.last_words()}")
                self.feed(at, at + step)
                at += step
                # However fast the machine, a hundred steps are five times as long as snapshots are apart.
                time.sleep(SNAPSHOT_SECONDS / 20)
            half = (at + last) // 2
            committed = super().interrupt(job, at, half)
            # It may have applied all of these before the kill: what comes while it is down has to be caught up with in any case.
            self.feed(half, last)
            return committed

        def restart(self, what):
            # Without snapshots the journal, which is trimmed behind them, is of no use: rfmd asks for leave to read its inputs anew.
            self.arguments = ["--rebuild"] if what == "wiped" else []
            return super().restart(what)

        def shards_with_snapshot(self):
            names = os.listdir(self.state) if os.path.isdir(self.state) else []
            return {name.split(".")[3] for name in names if name.endswith(".snapshot") and name.count(".") == 6}

        def check(self):
            same_day = self.now // measure.DAY_MS == int(time.time() * 1000) // measure.DAY_MS
            changes = self.read_changes()
            measure.say(f"check: {sum(map(len, changes.values()))} committed output records for {len(changes)} customers")
            finals = self.oracle()
            wrong = sum(1 for c in finals if c[0] not in changes or changes[c[0]][-1][1] != c[4]) + abs(len(changes) - len(finals))
            measure.say(f"  final tiers: {len(finals) - wrong} of {len(finals)} customers equal the oracle" + ("" if wrong == 0 else "   WRONG"))
            if not same_day:
                measure.say("  every change: not checked, the UTC day has changed")
                return wrong == 0
            expected = self.oracle("--changes")
            actual = [(customer, str(n), *change) for customer in sorted(changes) for n, change in enumerate(changes[customer], start=1)]
            measure.say(f"  every change: {'all ' + str(len(expected)) + ' equal the oracle' if expected == actual else 'WRONG'}")
            return wrong == 0 and expected == actual

        def read_changes(self):
            """What a read_committed reader sees, per customer, in the oracle's form."""
            command = ["kcat", "-q", "-C", "-b", self.options.bootstrap, "-t", self.target, "-o", "beginning", "-e", "-X", "isolation.level=read_committed",
                       "-X", "check.crcs=true", "-f", "%s\n"]
            changes = {}
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
                for line in reader.stdout:
                    data = json.loads(line)["data"]
                    values = data["values"]
                    spend = values["spend"]["90d"].replace(".", "").lstrip("0") or "0"
                    changes.setdefault(data["customer_id"], []).append(
                        (data["from"] or "-", data["to"], str(values["orders"]["90d"]), spend, str(values["recency"])))
            return changes

    return RfmdMeasurement


# The peer's rules, and nothing else.
TIERS = """preset: none
ladders:
  - name: tier
    rungs:
      - { name: high_value, when: "orders(90d) >= 5 && average_order(90d) >= 100" }
      - { name: potential, when: "recency < 30" }
      - { name: lost, when: "recency >= 90" }
      - { name: ordinary }
"""


def run_side(measure, name, job, measurement, options):
    """Runs one side to its end. Returns its figures by the words that measure.py prints, and whether its output was right."""
    print(f"\n== {name}", flush=True)
    lines = []

    def say(*words):
        print(*words, flush=True)
        lines.append(" ".join(map(str, words)))

    measure.say, measure.Job = say, job
    m = measurement(options)
    m.now = options.now
    right = m.run()
    figures = {}
    for line in lines:
        restart = re.match(r"(\w+)\s+start to RUNNING ([\d.nan]+) s, to caught up ([\d.]+) s", line)
        if restart:
            figures[restart[1]] = (float(restart[2]), float(restart[3]))
        for words in [f[1] for f in FIGURES] + ["peak RSS", "others"]:
            found = re.match(rf"  {re.escape(words)}\s+([\d,.]+|nan)", line)
            if found:
                figures[words] = float(found[1].replace(",", ""))
    return figures, right


def table(sides, options):
    """`sides`: name -> figures, rfmd first. A ratio says how many times better rfmd is."""
    ours, *others = sides
    rows = [["figure", ours] + [column for other in others for column in (other, "rfmd is better by")]]

    def row(title, value, more_is_better, digits):
        mine = value(sides[ours])
        cells = [title, f"{mine:,.{digits}f}"]
        for other in others:
            theirs = value(sides[other])
            good, bad = (mine, theirs) if more_is_better else (theirs, mine)
            cells += [f"{theirs:,.{digits}f}", f"{good / bad:.1f}" if bad else "-"]
        rows.append(cells)

    for title, words, more_is_better in FIGURES:
        row(title, lambda figures, words=words: figures.get(words, float("nan")), more_is_better, 0 if more_is_better else 2)
    row("peak resident bytes per customer", lambda f: f["peak RSS"] * 1024 * 1024 / options.customers, False, 0)
    if options.restarts:
        for title, words in RESTARTS:
            row(f"{title}: s to ready", lambda f, w=words: f[w][0], False, 2)
            row(f"{title}: s to caught up", lambda f, w=words: f[w][1], False, 2)
    print()
    for number, cells in enumerate(rows):
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "---|" * len(cells))


class Broker:
    def __init__(self, folder, port):
        script = os.path.join(os.environ["KAFKA_HOME"], "start-cluster")
        self.bootstrap = subprocess.run([script, folder, "1", str(port)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        with open(os.path.join(folder, "broker-1", "pid")) as file:
            self.pid = int(file.read())

    def stop(self):
        """Returns when it has ended, so that its folder can go. It is no child of this process."""
        os.kill(self.pid, signal.SIGTERM)
        end = time.time() + 30
        while os.path.exists(f"/proc/{self.pid}") and time.time() < end:
            time.sleep(0.1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", help="the folder with kafka-streams/ and load/")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--tail", type=int, default=100_000, help="events for each restart")
    parser.add_argument("--stores", default="memory,rocksdb", help="of Kafka Streams")
    parser.add_argument("--threads", type=int, default=2, help="of Kafka Streams")
    parser.add_argument("--workers", type=int, default=1, help="of rfmd")
    parser.add_argument("--rules", choices=("tiers", "all"), default="tiers", help="tiers: the peer's; all: rfmd's preset, with lifecycle and warnings")
    parser.add_argument("--rfmd", default=os.path.join(ROOT, ".build", "release", "rfmd"))
    parser.add_argument("--port", type=int, default=19492, help="of the broker that is started")
    parser.add_argument("--quiet", type=float, default=60, help="seconds to wait at most for an idle machine")
    parser.add_argument("--work", default=tempfile.gettempdir())
    parser.add_argument("--no-restarts", dest="restarts", action="store_false")
    # What measure.py takes besides, with its own defaults. The broker and the folder are thrown away whole: nothing is to be deleted before.
    parser.set_defaults(seed=42, law="zipf", span=60, commit_ms=100, check=True, keep=True, store="rfmd")
    return parser.parse_args()


def main():
    options = parse()
    if "KAFKA_HOME" not in os.environ:
        sys.exit("peer.py: set KAFKA_HOME to a Kafka distribution with start-cluster")
    # Whoever ends this, the broker and the jobs end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("peer.py: ended by a signal"))
    measure = load_measure(options.peers)
    peer_job, sides, right = measure.Job, {}, True
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="rfmd-peer-", dir=options.work) as folder:
        options.work = folder
        broker = Broker(os.path.join(folder, "kafka"), options.port)
        try:
            options.bootstrap, options.broker_pid, options.now = broker.bootstrap, broker.pid, int(time.time() * 1000)
            name = f"rfmd, {options.workers} worker(s)"
            sides[name], right = run_side(measure, name, RfmdJob, rfmd_measurement(measure), options)
            for store in options.stores.split(","):
                name = f"Kafka Streams, {store}"
                options.store = store
                sides[name], also = run_side(measure, name, peer_job, peer_measurement(measure), options)
                right = right and also
        finally:
            broker.stop()
        table(sides, options)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
