"""A process that draws holds little memory, however many pictures it has drawn."""

import subprocess
import sys

import pytest

MOST_MB_MAX = 110
SCRIPT = """
import re
from easel.engines.encoding import encode
from easel.engines.engine import Drawing
from easel.engines.sketch.engine import Sketch
sketch = Sketch()
sketch.load()
for seed in range(1, 7):
    encode(sketch.draw(Drawing("a cat on a bench in a park", 1536, 1536, seed), lambda done, total: None), "webp", None)
print(re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it so")
def test_the_pixels_of_earlier_pictures_are_freed() -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert int(told.stdout) * 1024 / 1e6 <= MOST_MB_MAX
