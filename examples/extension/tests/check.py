"""What `bundle wheel build --test` runs with each Python, in an environment with nothing else."""

import random

import terrain

table = random.Random(7).getrandbits(8 * terrain.size()).to_bytes(terrain.size(), "little")
for offset in (0, 1, 4096, terrain.size() - 1):
    assert terrain.at(offset) == table[offset], offset
assert terrain.smoothed(3, 100, 1000) > 0
try:
    terrain.at(terrain.size())
except IndexError:
    pass
else:
    raise AssertionError("an offset outside of the table must be refused")
print("terrain works")
