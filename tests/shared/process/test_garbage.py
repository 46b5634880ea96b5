import gc
import subprocess
import sys

_COUNT = """
import gc
import api.app
from shared.process.garbage import freeze_startup_objects
before = len(gc.get_objects())
freeze_startup_objects()
print(before, len(gc.get_objects()))
"""


def test_a_collection_no_longer_looks_at_what_a_process_made_at_its_start() -> None:
    told = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True).stdout
    before, after = map(int, told.split())
    assert before > 50_000
    assert after < before / 100


def test_a_cycle_that_is_made_later_is_still_collected() -> None:
    class Node:
        me: "Node"

    node = Node()
    node.me = node
    del node
    assert gc.collect() >= 1
