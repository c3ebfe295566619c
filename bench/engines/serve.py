"""The side of the protocol that all engines in Python share: one JSON line a request, one an answer."""
import json
import os
import sys
import time

# They slow a current numpy down.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

CHECKED_STEPS = 10
CHECKED_ROWS = 8
LENGTH_POOL = 50
SEED = 36


class Unsupported(Exception):
    """The engine cannot do this workload; the message says why."""


def _status(field):
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    return None


def _begin_memory():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return None
    return _status("VmRSS")


class Task:
    """A workload with its arrays, and how it is cut into batches."""

    def __init__(self, folder, threads):
        import numpy as np

        with open(os.path.join(folder, "workload.json")) as file:
            workload = json.load(file)
        self.name, self.mode, self.network = workload["workload"], workload["mode"], workload["network"]
        self.N, self.T, self.batches = workload["N"], workload["T"], workload["batches"]
        self.threads = threads
        read = lambda name: np.load(os.path.join(folder, name + ".npy"))
        self.inputs, self.lengths, self.targets = read("inputs"), read("lengths"), read("targets")
        self.weights = {
            name[:-4]: np.load(os.path.join(folder, name))
            for name in os.listdir(folder)
            if name.endswith(".npy") and "." in name[:-4]
        }
        self.ends = np.concatenate([[0], np.cumsum(self.lengths)])
        self.random = max(self.network["dropout"], self.network["embeddingDropout"]) > 0

    def batch(self, rows, length=None):
        """Inputs padded behind to `length` (default: the longest of the batch), [steps, rows, …]; lengths; targets."""
        import numpy as np

        lengths = self.lengths[rows]
        length = int(lengths.max()) if length is None else length
        inputs = np.zeros((length, len(rows)) + self.inputs.shape[1:], self.inputs.dtype)
        per_step = self.network["perStep"]
        targets = np.zeros((length, len(rows)) if per_step else len(rows), np.int64)
        for column, row in enumerate(rows):
            begin, end = self.ends[row], self.ends[row + 1]
            inputs[: end - begin, column] = self.inputs[begin:end]
            if per_step:
                targets[: end - begin, column] = self.targets[begin:end]
            else:
                targets[column] = self.targets[row]
        return inputs, lengths.astype(np.int64), targets

    def checked(self):
        """The batches whose losses are compared, in the order of the file."""
        return [self.batch(range(i * self.N, (i + 1) * self.N)) for i in range(CHECKED_STEPS)]

    def in_order(self):
        """The batches of a round in the order of the file."""
        return [self.batch(range(i * self.N, (i + 1) * self.N)) for i in range(self.batches)]

    def shuffled(self, pool, longest=False):
        """The batches of an epoch: a random order, sorted by length inside pools of `pool` batches."""
        import numpy as np

        random = np.random.default_rng(SEED)
        order = random.permutation(len(self.lengths))
        batches = []
        for start in range(0, len(order), pool * self.N):
            part = order[start : start + pool * self.N]
            part = part[np.argsort(-self.lengths[part], kind="stable")]
            batches += [part[i : i + self.N] for i in range(0, len(part), self.N)]
        length = int(self.lengths.max()) if longest else None
        return [self.batch(batches[i], length) for i in random.permutation(len(batches))]

    def steps(self):
        """Ids of every step of the streams, [streams] each."""
        return list(self.inputs.reshape(self.N, self.T)[:, : self.batches].T.copy())


def computed(batches):
    """Steps of the batches, padding included."""
    return int(sum(inputs.shape[0] * inputs.shape[1] for inputs, _, _ in batches))


def losses(values):
    return {"kind": "losses", "values": [float(value) for value in values]}


def outputs(values):
    return {"kind": "outputs", "values": [float(value) for value in values[:CHECKED_ROWS].ravel()]}


NOTHING = {"kind": "none", "values": []}


def timed(work):
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


def serve(load):
    """`load()` gives a version and a function that prepares a task: (task, variant) → (facts, round)."""
    channel = os.fdopen(os.dup(1), "w")
    # Libraries print; standard output belongs to the protocol.
    os.dup2(2, 1)

    def answer(value):
        channel.write(json.dumps(value) + "\n")
        channel.flush()

    try:
        version, prepare = load()
    except Exception as error:
        return answer({"error": f"{type(error).__name__}: {error}".split("\n")[0]})
    begin = _begin_memory()
    answer({"version": version})
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                options = request["prepare"]
                facts, run = prepare(Task(options["folder"], options["threads"]), options["variant"])
                answer(facts)
            elif "round" in request:
                milliseconds = run()
                peak = _status("VmHWM")
                above = None if begin is None or peak is None else peak - begin
                answer({"milliseconds": milliseconds, "bytesAboveImport": above})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}".split("\n")[0]})
