r"""The same load through the openai Python client, for comparison with bench_remote:

    build/venv/bin/python tests/bench/remote_bench.py build/release/tests/bench/bench_remote \
        [STREAMS] [EVENTS_A_SECOND] [SECONDS]

CPU is this process's alone; the stand-in is `bench_remote serve`."""
import asyncio
import os
import resource
import subprocess
import sys
import time

import openai


async def stream(client):
    events = 0
    async for chunk in await client.chat.completions.create(
            model="m", stream=True, messages=[{"role": "user", "content": "Tell me a story."}]):
        events += bool(chunk.choices and chunk.choices[0].delta.content)
    return events


async def run(port, streams):
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0,
                                http_client=openai.DefaultAsyncHttpxClient(limits=openai.DEFAULT_CONNECTION_LIMITS))
    return sum(await asyncio.gather(*[stream(client) for _ in range(streams)]))


def main():
    bench, streams, rate, seconds = (sys.argv[1:] + ["100", "10", "10"][len(sys.argv) - 2:])[:4]
    server = subprocess.Popen([bench, "serve", rate, seconds], stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline())
    os.sched_setaffinity(0, {0})
    cpu, began = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), time.monotonic()
    events = asyncio.run(run(port, int(streams)))
    cpu, wall = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - cpu, time.monotonic() - began
    server.kill()
    print(f"{streams} streams, {rate} events/s each, {wall:.1f} s: {events} events")
    print(f"CPU {cpu:.3f} s, {100 * cpu / wall:.1f} % of a core, {1e6 * cpu / events:.1f} us an event")
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KiB in all")


main()
