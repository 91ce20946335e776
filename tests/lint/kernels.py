"""The GPU's kernels: each is tested on the host or named in tests/cuda/exempt.txt, waits for the kernel before it, and
keeps its hot loops in registers; inline assembly stands in ptx.cuh alone.

What ptxas said lies beside the objects of a build with nvcc (cmake/ptxas_report); without one that part says so."""
import pathlib
import re
import sys

HOT = ("gemv_kernel", "decode_kernel", "prefill_kernel", "tile_kernel", "norm_kernel", "place_kernel",
       "activate_kernel")
MOST_SPILLED = 8  # bytes: a value kept through the whole kernel, not one of its loops

root = pathlib.Path(sys.argv[1])
faults = []


def functions(text):
    """Names and bodies of what is defined at the left margin: a body opens and closes with a brace in column 0."""
    for found in re.finditer(r"^(?!#)([^\n;{}]+(?:\n[^\n;{}]+)*?)\n\{\n(.*?)\n\}", text, re.S | re.M):
        head = re.sub(r"__launch_bounds__\([^)]*\)", "", found.group(1))
        named = re.search(r"(\w+)\s*\(", head.split("template")[-1].split(">\n")[-1])
        if named:
            yield named.group(1), head, found.group(2)


bodies, kernels = {}, []
for path in sorted([*root.glob("kernels/cuda/*.cu"), *root.glob("kernels/cuda/*.cuh")]):
    text = path.read_text()
    if path.name != "ptx.cuh" and re.search(r"\basm\b", text):
        faults.append(f"{path.relative_to(root)}: inline assembly belongs in kernels/cuda/ptx.cuh")
    defined = list(functions(text))
    for name, head, body in defined:
        bodies[name] = bodies.get(name, "") + body
        if "__global__" in head:
            kernels.append((path.relative_to(root), name))
            if "grid_wait();" not in body:
                faults.append(f"{path.relative_to(root)}: {name} never calls grid_wait")
    if text.count("__global__ void") != sum("__global__" in head for _, head, _ in defined):
        faults.append(f"{path.relative_to(root)}: a kernel whose definition this lint cannot read")

listed = (root / "tests/cuda/exempt.txt").read_text().splitlines()
exempt = {line.split()[0] for line in listed if line and line[0] != "#"}
tests = "".join(path.read_text() for path in root.glob("tests/cuda/test_*.c*"))


def launchers(kernel):
    """The public functions from which a kernel can be reached."""
    reached, new = set(), {kernel}
    while new:
        reached |= new
        users = re.compile(rf"\b({'|'.join(new)})\b")
        new = {name for name, body in bodies.items() if users.search(body)} - reached
    return {name for name in reached if name.startswith("cuda_")}


for path, kernel in kernels:
    if kernel not in exempt and not any(f"{name}(" in tests for name in launchers(kernel)):
        faults.append(f"{path}: no test in tests/cuda reaches {kernel}, and tests/cuda/exempt.txt does not name it")
for name in sorted(exempt - {kernel for _, kernel in kernels}):
    faults.append(f"tests/cuda/exempt.txt: there is no kernel {name}")

reports = sorted(root.glob("build/release/kernels/CMakeFiles/arena_cuda.dir/cuda/*.ptxas"))
hot = set()
for path in reports:
    for found in re.finditer(r"Compiling entry function '(\w+)' for '(\w+)'\n(.*?)Used", path.read_text(), re.S):
        kernel = next((name for name in HOT if name in found.group(1)), None)
        if not kernel:
            continue
        hot.add(kernel)
        spilled = max(map(int, re.findall(r"(\d+) bytes spill", found.group(3))), default=0)
        if spilled > MOST_SPILLED:
            faults.append(f"{path.name}: {found.group(1)} ({found.group(2)}) spills {spilled} bytes")
if reports:
    faults += [f"ptxas never spoke of {name}" for name in HOT if name not in hot]
said = f"{len(hot)} hot ones spill nothing" if reports else "no build with nvcc: spills are not checked"
print("\n".join(faults) or f"{len(kernels)} kernels are tested; {said}")
sys.exit(bool(faults))
