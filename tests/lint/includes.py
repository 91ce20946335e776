"""An #include never points up: the floors of the house, from the ground (docs/architecture.md)."""
import pathlib
import re
import sys

FLOORS = [
    ["base", "kernels"],
    ["loop", "rating", "engine"],
    ["store", "competitor"],
    ["people", "battle", "board"],
    ["http", "eval"],
    ["command"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ALONE = {"rating": {"base", "rating"}, "engine": {"engine", "kernels"}, "kernels": {"kernels"}}

root = pathlib.Path(sys.argv[1])
faults = []
for path in sorted([*root.glob("arena/*/*.[ch]"), *root.glob("engine/**/*.[ch]"), *root.glob("kernels/**/*.[ch]")]):
    parts = path.relative_to(root).parts
    room = parts[1] if parts[0] == "arena" else parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
        if not found or found.group(1) not in FLOOR:
            continue
        other = found.group(1)
        if FLOOR[other] > FLOOR[room] or (room in ALONE and other not in ALONE[room]):
            faults.append(f"{path.relative_to(root)}:{number}: {room} must not include {other}")
print("\n".join(faults) or "no include points up")
sys.exit(bool(faults))
