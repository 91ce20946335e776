"""Hugging Face transformers on the shapes of gpu_bench: random bf16, static cache, torch.compile (CUDA graphs)."""
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

SHAPES = {
    "SmolLM2-135M": dict(num_hidden_layers=30, hidden_size=576, num_attention_heads=9, num_key_value_heads=3,
                         intermediate_size=1536, vocab_size=49152, tie_word_embeddings=True),
    "8B": dict(num_hidden_layers=32, hidden_size=4096, num_attention_heads=32, num_key_value_heads=8,
               intermediate_size=14336, vocab_size=128256, tie_word_embeddings=False),
}
RUNS, CONTEXT = 60, 128


def measure(name, facts):
    config = LlamaConfig(max_position_embeddings=8192, **facts)
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config).eval()
    cache = StaticCache(config=config, max_batch_size=1, max_cache_len=512, device="cuda", dtype=torch.bfloat16)
    step = torch.compile(model, mode="reduce-overhead", fullgraph=True)
    token = torch.ones(1, 1, dtype=torch.long, device="cuda")
    times = []
    with torch.inference_mode():
        for run in range(-8, RUNS):
            place = torch.tensor([CONTEXT + max(run, 0)], device="cuda")
            torch.cuda.synchronize()
            start = time.perf_counter()
            logits = step(token, past_key_values=cache, cache_position=place, use_cache=True).logits
            token = logits[:, -1].argmax(-1, keepdim=True).clone()
            torch.cuda.synchronize()
            if run >= 0:
                times.append(time.perf_counter() - start)
    median = sorted(times)[len(times) // 2]
    print(f"{name:<13} BF16  decode 1 at {CONTEXT} {'':<7} {median * 1e3:9.3f} ms {1 / median:10.0f} tokens/s"
          f"  (transformers, torch.compile)", flush=True)


for shape, its in SHAPES.items():
    measure(shape, its)
    torch.cuda.empty_cache()
