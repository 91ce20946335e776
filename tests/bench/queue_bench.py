"""What a vote costs a voter in the browser besides reading: in live battles of the default in-house pair, whose prompt
is one of the page's suggestions (nothing is written), and in the queue of the same models' finished pairs:

    build/venv/bin/python tests/bench/queue_bench.py [--live 4] [--queued 10]"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from arena_server import ArenaServer, binary  # noqa: E402

READY, RATE, OVER = "#vote:not([hidden])", "#rate:not([hidden])", "#outcome:not([hidden])"


def prepare(arena, pairs):
    """A campaign whose pairs wait."""
    (arena.data / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"Tell me a fact about the number {n}."}) + "\n" for n in range(pairs)))
    names = [row["name"] for row in arena.voter().get("/api/models").json["models"]]
    command = [binary(), "campaign", "--data", str(arena.data)]
    subprocess.run([*command, "create", "--model", names[0], "--versus", names[1], "--votes", "999", "--same-model",
                    "0", "--prompts", str(arena.data / "prompts.jsonl")], check=True, stdout=subprocess.DEVNULL)
    while f'"pairs": {pairs},' not in subprocess.run([*command, "list", "--format", "json"], check=True, text=True,
                                                     capture_output=True).stdout:
        time.sleep(0.5)


def live(page, origin, number):
    """From the suggestion to the names."""
    page.goto(origin)
    page.wait_for_selector("#suggestions button")
    begun = time.monotonic()
    page.locator("#suggestions button").nth(number % 4).click()
    if page.locator("#send").is_enabled() and page.input_value("#prompt"):
        page.press("#prompt", "Enter")
    page.wait_for_selector(READY, timeout=120000)
    page.keyboard.press("2")
    page.wait_for_selector(RATE)
    page.keyboard.press("Enter")
    page.wait_for_selector(OVER)
    return time.monotonic() - begun


def queued(page):
    """From one pair on the screen to the next."""
    before, begun = page.inner_text("#queue-text"), time.monotonic()
    page.keyboard.press("2")
    page.wait_for_function("b => !document.querySelector('#rate').hidden || "
                           "document.querySelector('#queue-text').textContent !== b", arg=before, polling=10)
    if page.is_visible("#rate"):
        page.keyboard.press("Enter")
        page.wait_for_selector(RATE, state="hidden")
    return time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=int, default=4)
    parser.add_argument("--queued", type=int, default=10)
    options = parser.parse_args()
    with ArenaServer() as arena, sync_playwright() as playwright:
        prepare(arena, options.queued + 1)
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        alone = sum(live(page, arena.origin, n) for n in range(options.live)) / options.live
        page.goto(arena.origin + "/?queue")
        page.wait_for_selector(READY)
        waits = sum(queued(page) for _ in range(options.queued)) / options.queued
    print(f"besides reading, a vote takes {alone:.1f} s live and {1000 * waits:.0f} ms in the queue "
          f"(load {os.getloadavg()[0]:.1f})")
    for seconds in (0, 2, 5, 10, 20):
        print(f"reading {seconds:2} s: {(alone + seconds) / (waits + seconds):.2f} times the votes an hour")
    print(f"twice: up to {alone - 2 * waits:.1f} s of reading, and for as much longer as writing a prompt takes")


if __name__ == "__main__":
    main()
