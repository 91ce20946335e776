"""Sizes and habits: file and function length, line width, banned functions."""
import pathlib
import re
import subprocess
import sys

FILE_LINES, FUNCTION_LINES, LINE_WIDTH = 1000, 100, 120
BANNED = re.compile(r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|alloca)\s*\(")
BANNED_IN_PYTHON = re.compile(r"\.wait_for_function\(")  # evaluates a string, which the pages' own policy forbids

root = pathlib.Path(sys.argv[1])
faults = []


def sources():
    listed = subprocess.run(["git", "-C", root, "ls-files", "*.c", "*.h", "*.cu", "*.js", "*.py"],
                            capture_output=True, text=True, check=True).stdout.split()
    return [root / name for name in listed if (root / name).exists()]


def function_lengths(lines):
    """A function's body opens with a brace in column 0 and closes with one there."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start
            start = None


for path in sources():
    name = path.relative_to(root)
    lines = path.read_text().splitlines()
    if len(lines) > FILE_LINES:
        faults.append(f"{name}: {len(lines)} lines (at most {FILE_LINES})")
    for number, line in enumerate(lines, 1):
        banned = BANNED_IN_PYTHON if path.suffix == ".py" else BANNED
        if path.suffix in (".c", ".h", ".py") and banned.search(line.split("/*")[0]):
            faults.append(f"{name}:{number}: a banned function: {line.strip()}")
        if len(line) > LINE_WIDTH:
            faults.append(f"{name}:{number}: {len(line)} columns (at most {LINE_WIDTH})")
    if path.suffix == ".c":
        faults += [f"{name}:{start}: a function of {length} lines (at most {FUNCTION_LINES})"
                   for start, length in function_lengths(lines) if length > FUNCTION_LINES]
print("\n".join(faults) or "every file keeps its shape")
sys.exit(bool(faults))
