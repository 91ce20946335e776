"""One browser of one voter, and the words in which tests speak of its page."""

import re

from arena_server import PATIENCE
from fake_provider import Script

READY, RATE, OVER = "#vote:not([hidden])", "#rate:not([hidden])", "#outcome:not([hidden])"
STREAMING = "#progress:not([hidden])"
ANSWER = ".answer:visible"  # on a phone one of the two is out of view
PATIENCE_MS = 1000 * PATIENCE

NAMES = ("zephyr-quill", "obsidian-larch")
ORGANISATIONS = ("Zephyr Works", "Larch Institute")
ANSWERS = {
    NAMES[
        0
    ]: "### Why\n\nBecause **air** scatters short waves most.\n\n1. Sunlight is a mix.\n2. Blue is scattered.\n",
    NAMES[
        1
    ]: "Imagine crayons. The *blue* one bounces around the most, so it comes from everywhere.\n\n"
    "- So the sky is blue.\n",
}


def script(name, **more):
    return Script(**{"text": ANSWERS[name], "chunk": 6, "gap": 0.01, **more})


def asking(route):
    """Makes this vote one of those after which the voter is asked about recognising a model."""
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "ask_recognised": True})


class Visit:
    def __init__(self, context, origin, size):
        self.context, self.origin, self.size = context, origin, size
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.asked, self.complaints = [], []
        self.allowed = []  # complaints that the test itself provokes
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._console)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def close(self):
        self.page.unroute_all(behavior="ignoreErrors")
        self.context.close()

    def complain(self):
        """No request left for another host, and nothing was refused by the page's own policy."""
        strangers = [url for url in self.asked if not url.startswith((self.origin + "/", "data:", "blob:"))]
        assert strangers == [], strangers
        left = [text for text in self.complaints if not any(re.search(pattern, text) for pattern in self.allowed)]
        assert left == [], left

    # ---- going about ----

    def open(self, path="/"):
        self.page.goto(self.origin + path)
        return self

    def ask(self, prompt="Why is the sky blue?"):
        if not self.page.url.startswith(self.origin):
            self.open()
        self.page.fill("#prompt", prompt)
        self.page.wait_for_selector("#send:enabled")  # the page's script has taken the text
        self.page.press("#prompt", "Enter")
        return self

    def ready(self, prompt="Why is the sky blue?"):
        self.ask(prompt)
        self.page.wait_for_selector(READY)
        return self

    def battle_id(self):
        return re.search(r"battle=([^&]+)", self.page.url).group(1)

    def read_both(self):
        """On a phone the second answer has to be opened before the vote."""
        if self.size == "phone":
            for lane in "ab":
                self.page.click(f".head:has(.disc.{lane}) .tab")

    def choose(self, winner="model_a"):
        """Votes; the names wait for what there is to add."""
        self.read_both()
        self.page.click(f"[data-winner={winner}]")
        self.page.wait_for_selector(RATE)
        return self

    def go_on(self):
        """Adds nothing."""
        self.page.wait_for_selector(RATE)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(OVER)
        return self

    def vote(self, winner="model_a"):
        return self.choose(winner).go_on()

    # ---- looking ----

    def shown(self, selector):
        return self.page.locator(selector).is_visible()

    def answer(self, lane, turn=1):
        return self.page.locator(f".turn:nth-child({turn}) .lane.{lane} .answer").inner_text()

    def names(self):
        return [self.page.locator(f".head:has(.disc.{lane}) .who b").text_content() for lane in "ab"]

    def everything(self):
        """All that the page and its storage hold, as one text."""
        return self.page.evaluate(
            """() => [document.documentElement.outerHTML, document.title, location.href, document.cookie,
            JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}),
            JSON.stringify(history.state)].join("\\n")"""
        )

    def overflow(self):
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def check(voter, axe, state):
    """axe-core, put into a page once, finds nothing to object to; and nothing is wider than the window."""
    if not voter.page.evaluate("'axe' in window"):
        voter.page.evaluate(axe)
    found = voter.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations)")
    said = [(rule["id"], rule["impact"], [node["html"] for node in rule["nodes"][:5]]) for rule in found]
    assert said == [], f"{state}: {said}"
    assert voter.overflow() == 0, state
