"""A study whose runs take a while and leave the number of their process, so that a test can kill one in the middle."""

import os
import random
import time
from pathlib import Path

from worked.measurement import Measurement
from worked.records import Spec
from worked.study import DRAWN, Profile, Study

FOLDER = "WORKED_TEST_FOLDER"  # names the folder where each start of a run is noted
CODE = "WORKED_TEST_CODE"


def specs(profile, stored):
    data = {"name": "nothing", "source": DRAWN}
    return [Spec("slow", 1, profile.name, {"run": n}, n, data) for n in range(profile.settings["runs"])]


def measure(spec, context):
    folder = Path(os.environ[FOLDER])
    (folder / f"{spec.seed}-{os.getpid()}-{time.monotonic_ns()}").touch()
    if (folder / "wait").exists() and spec.seed == 0:
        time.sleep(60)  # killed here
    return Measurement({"value": random.Random(spec.seed).random()}, {}, {}, {}, DRAWN)


class Slow(Study):
    """Its code lies outside the package; what stands for it can be told apart in a test."""

    def code(self):
        return os.environ.get(CODE, "c") * 64


PROFILES = {"full": Profile("full", "seconds", DRAWN, {"runs": 6})}
STUDY = Slow("slow", "Slow", "How long?", 1, PROFILES, __name__, specs, measure, lambda spec: 1)
