#!/usr/bin/env python3
"""Writes a GGUF of random weights in a real model's shape, to measure speed where no such model is at hand.

    random_model.py dense|moe TYPE VOCABULARY_OF.gguf OUT.gguf

dense: 1.1 billion parameters (22 layers of 2048, 32 query and 4 KV heads, feed-forward 5632).
moe:   6.9 billion, 1.2 of them used for a token (16 layers of 2048, 64 experts of 1024, 8 used).
TYPE is q4_k or q8_0. The tokenizer is another model's. What it says means nothing; how fast it says it does.
"""
import random
import struct
import sys

SIMPLE = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
F32 = 0
TYPES = {"q4_k": (12, 256, 144), "q8_0": (8, 32, 34)}
SMALL = 0x0C00  # 2^-12 as F16: a scale that keeps activations finite
SHAPES = {
    "dense": dict(architecture="llama", layers=22, heads=32, kv_heads=4, width=2048, inner=5632, experts=0),
    "moe": dict(architecture="olmoe", layers=16, heads=16, kv_heads=16, width=2048, inner=1024, experts=64),
}


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


class Reader:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read(64 << 20)
        self.at = 24

    def number(self, form):
        value = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def skip(self, kind):
        if kind == 8:
            length = self.number("Q")
            self.at += length
        elif kind == 9:
            kind, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip(kind)
            return count
        else:
            self.at += SIMPLE[kind]
        return 0


def tokenizer_of(path):
    """The keys of another model's tokenizer as they stand, how many they are, and its vocabulary's size."""
    reader = Reader(path)
    kept, count, vocabulary = b"", 0, 0
    for _ in range(struct.unpack_from("<Q", reader.data, 16)[0]):
        start = reader.at
        length = reader.number("Q")
        key = reader.data[reader.at:reader.at + length].decode()
        reader.at += length
        elements = reader.skip(reader.number("I"))
        if key.startswith("tokenizer."):
            kept += reader.data[start:reader.at]
            count += 1
        if key == "tokenizer.ggml.tokens":
            vocabulary = elements
    return kept, count, vocabulary


def metadata(shape):
    name = shape["architecture"]
    numbers = {"block_count": shape["layers"], "context_length": 4096, "embedding_length": shape["width"],
               "feed_forward_length": shape["inner"], "attention.head_count": shape["heads"],
               "attention.head_count_kv": shape["kv_heads"]}
    if shape["experts"]:
        numbers |= {"expert_count": shape["experts"], "expert_used_count": 8}
    keys = text("general.architecture") + struct.pack("<I", 8) + text(name)
    for key, value in numbers.items():
        keys += text(f"{name}.{key}") + struct.pack("<II", 4, value)
    keys += text(f"{name}.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5)
    return keys, len(numbers) + 2


def tensors_of(shape, vocabulary):
    width, inner = shape["width"], shape["inner"]
    head = width // shape["heads"]
    yield "token_embd.weight", (width, vocabulary)
    yield "output_norm.weight", (width,)
    if shape["experts"]:
        yield "output.weight", (width, vocabulary)
    for i in range(shape["layers"]):
        yield f"blk.{i}.attn_norm.weight", (width,)
        yield f"blk.{i}.ffn_norm.weight", (width,)
        for name, rows in (("q", width), ("k", head * shape["kv_heads"]), ("v", head * shape["kv_heads"])):
            yield f"blk.{i}.attn_{name}.weight", (width, rows)
        yield f"blk.{i}.attn_output.weight", (width, width)
        if shape["experts"]:
            yield f"blk.{i}.attn_q_norm.weight", (width,)
            yield f"blk.{i}.attn_k_norm.weight", (width,)
            yield f"blk.{i}.ffn_gate_inp.weight", (width, shape["experts"])
            yield f"blk.{i}.ffn_gate_exps.weight", (width, inner, shape["experts"])
            yield f"blk.{i}.ffn_up_exps.weight", (width, inner, shape["experts"])
            yield f"blk.{i}.ffn_down_exps.weight", (inner, width, shape["experts"])
        else:
            yield f"blk.{i}.ffn_gate.weight", (width, inner)
            yield f"blk.{i}.ffn_up.weight", (width, inner)
            yield f"blk.{i}.ffn_down.weight", (inner, width)


def random_blocks(kind, count):
    """`count` blocks with random codes under small scales."""
    _, _, size = TYPES[kind]
    scales = struct.pack("<HH", SMALL, SMALL) if kind == "q4_k" else struct.pack("<H", SMALL)
    return b"".join(scales + random.randbytes(size - len(scales)) for _ in range(count))


def write_tensor(out, kind, size):
    elements = 1
    for n in size:
        elements *= n
    if len(size) == 1:
        out.write(struct.pack("<f", 1) * elements)
        return
    if "router" == kind:
        out.write(struct.pack(f"<{elements}f", *(random.gauss(0, 0.02) for _ in range(elements))))
        return
    _, block, bytes_a_block = TYPES[kind]
    sample = random_blocks(kind, 4096)
    left = elements // block * bytes_a_block
    while left:
        left -= out.write(sample[:left])


def main():
    shape_name, kind, vocabulary_path, path = sys.argv[1:]
    shape = SHAPES[shape_name]
    random.seed(1)
    tokenizer, tokenizer_keys, vocabulary = tokenizer_of(vocabulary_path)
    keys, count = metadata(shape)
    table, offset, tensors = b"", 0, list(tensors_of(shape, vocabulary))
    for name, size in tensors:
        small = len(size) == 1 or "gate_inp" in name
        number, block, bytes_a_block = (F32, 1, 4) if small else TYPES[kind]
        elements = 1
        for n in size:
            elements *= n
        table += text(name) + struct.pack("<I", len(size)) + struct.pack(f"<{len(size)}Q", *size)
        table += struct.pack("<IQ", number, offset)
        offset += (elements // block * bytes_a_block + 31) // 32 * 32
    with open(path, "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), count + tokenizer_keys))
        out.write(keys + tokenizer + table)
        for name, size in tensors:
            out.write(b"\0" * (-out.tell() % 32))
            write_tensor(out, "router" if "gate_inp" in name else kind, size)
        out.write(b"\0" * (-out.tell() % 32))


main()
