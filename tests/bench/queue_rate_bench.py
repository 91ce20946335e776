"""How many votes an hour a voter gives in live battles and in the overnight queue, in a real browser, by the clock: a
scripted voter goes through both flows with the same time for reading.

    build/venv/bin/python tests/bench/queue_rate_bench.py [--reading 5,15] [--votes 3] [--words 40]

A live vote: the first page; a prompt of 60 characters, key by key at --words words a minute (of five letters; without
a thought for what to ask) or, as "suggested", a click on one of the page's suggestions; reading from the first words
that show, while the rest still comes, for the reading time or until both answers are there; the choice, Enter past the
reasons to the names. A queued vote: reading for that time from the moment the pair shows, and the choice. The models
are the default in-house pair in both."""
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
WORDS = ".answer:visible:not(:empty)"
PROMPT = "Which three books about the sea should I read first, and why"
assert len(PROMPT) == 60


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


def ask(page, number, key_seconds):
    """What a voter does to have a question on its way."""
    if key_seconds:
        page.locator("#prompt").press_sequentially(PROMPT, delay=1000 * key_seconds)
    else:
        page.locator("#suggestions button").nth(number % 4).click()
    if page.locator("#send").is_enabled() and page.input_value("#prompt"):
        page.press("#prompt", "Enter")


def live(page, origin, number, reading, key_seconds):
    """Seconds from the first page to the names."""
    begun = time.monotonic()
    page.goto(origin)
    page.wait_for_selector("#suggestions button")
    ask(page, number, key_seconds)
    page.wait_for_selector(WORDS, timeout=120000)
    shown = time.monotonic()
    page.wait_for_selector(READY, timeout=120000)
    time.sleep(max(0, reading - (time.monotonic() - shown)))
    page.keyboard.press("2")
    page.wait_for_selector(RATE)
    page.keyboard.press("Enter")
    page.wait_for_selector(OVER)
    return time.monotonic() - begun


def queued(page, reading):
    """Seconds from one pair on the screen to the next."""
    before, begun = page.inner_text("#queue-text"), time.monotonic()
    time.sleep(reading)
    page.keyboard.press("2")
    page.locator(f"{RATE}, #queue-text:not(:text-is({json.dumps(before)}))").first.wait_for()
    if page.is_visible("#rate"):  # one vote in five is asked whether a model was recognised
        page.keyboard.press("Enter")
        page.wait_for_selector(RATE, state="hidden")
    return time.monotonic() - begun


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reading", default="5,15")
    parser.add_argument("--votes", type=int, default=3)
    parser.add_argument("--words", type=float, default=40)
    options = parser.parse_args()
    times = [float(seconds) for seconds in options.reading.split(",")]
    with ArenaServer() as arena, sync_playwright() as playwright:
        prepare(arena, len(times) * options.votes + 1)
        chromium = shutil.which("chromium") or "/usr/bin/chromium"
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        for seconds in times:
            page.goto(arena.origin + "/?queue")
            page.wait_for_selector(READY)
            queue = mean(queued(page, seconds) for _ in range(options.votes))
            for words, key_seconds in (("written", 12 / options.words), ("suggested", 0)):
                alone = mean(live(page, arena.origin, n, seconds, key_seconds) for n in range(options.votes))
                print(f"reading {seconds:4.1f} s, prompt {words:9}:{alone:5.1f} s a live vote, {queue:5.2f} s a queued "
                      f"one: {3600 / alone:4.0f} and {3600 / queue:4.0f} an hour, {alone / queue:.2f} times "
                      f"(load {os.getloadavg()[0]:.1f})", flush=True)


if __name__ == "__main__":
    main()
