"""What a model writes is hostile: it runs nothing, asks for nothing, and cannot stop the page."""

from pages import NAMES, script

HOSTILE = r"""<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">

[click](javascript:window.pwned=1) [data](data:text/html,<script>window.pwned=1</script>) [vb](vbscript:x)
[relative](/api/battles) [tab](java&#9;script:window.pwned=1) [fine](https://example.org/a?b=1&c=2 "t")

![remote](http://evil.example/pixel.png) ![inline](data:image/svg+xml,<svg onload=alert(1)>)

<iframe src="http://evil.example/"></iframe><style>body { display: none }</style>
<a href="javascript:1" onclick="window.pwned=1">x</a> <form action="http://evil.example/"><input name=q></form>

$\href{javascript:window.pwned=1}{x}$ $\includegraphics{http://evil.example/i.png}$ $\def\a{\a\a}\a$ $\htmlClass{x}{y}$

[named]: javascript:window.pwned=1
[named][named] <http://evil.example/> <javascript:window.pwned=1>

<svg onload="window.pwned=1"><set attributeName=href to=javascript:1></svg> <math><mtext></mtext></math>
"""
WIDE = "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n" + ("|" + "b|" * 200 + "\n") * 60
DEEP = (
    "> " * 1500
    + "deep\n\n"
    + "\n".join(" " * (2 * i) + "- a" for i in range(100))
    + "\n\n"
    + "[" * 6000
    + "\n\n"
    + "*a " * 6000
)
FORBIDDEN = (
    "script, img, iframe, style, form, object, embed, svg[onload], video, audio, link, [onclick], [onerror], "
    "[style*=url]"
)


def say(models, text):
    for name in NAMES:
        models.scripts[name] = script(name, text=text, chunk=2000, gap=0.001)


def test_nothing_runs_and_nothing_is_asked_for(visit, models):
    say(models, HOSTILE)
    voter = visit().open().ready()
    page = voter.page
    page.wait_for_selector(".math.set")
    assert page.evaluate("window.pwned") is None
    assert page.locator("#turns").locator(FORBIDDEN).count() == 0
    assert "<script>window.pwned = 1</script>" in voter.answer("a"), "raw HTML stands as text"
    addresses = page.eval_on_selector_all(
        "#turns a", "nodes => nodes.map((node) => [node.protocol, node.rel, node.target])"
    )
    assert addresses and all(protocol in ("http:", "https:", "mailto:") for protocol, _, _ in addresses)
    assert all(set(rel.split()) == {"noopener", "noreferrer", "nofollow"} for _, rel, _ in addresses)
    assert "Image: remote (evil.example)" in voter.answer("a")
    page.eval_on_selector_all(
        "#turns a", "nodes => nodes.forEach((node) => node.addEventListener('click', (e) => e.preventDefault()))"
    )
    for node in page.locator(".lane.a a").all():
        node.dispatch_event("click")
    assert page.evaluate("window.pwned") is None
    voter.vote()


def test_a_huge_table_is_cut_and_said_to_be(visit, models):
    say(models, WIDE)
    voter = visit().open().ready()
    assert voter.page.locator(".lane.a td").count() <= 3000
    assert "more rows are not shown" in voter.answer("a")
    assert voter.overflow() == 0
    voter.vote()


def test_deep_and_pathological_text_leaves_the_page_alive(visit, models, size):
    say(models, DEEP)
    voter = visit(size).open().ready()
    assert "deep" in voter.answer("a") + voter.answer("b")
    assert voter.overflow() == 0
    voter.vote()


def test_markdown_is_what_it_was_meant_to_be(visit, models):
    say(
        models,
        "# One\n\n#### Four\n\n*em* **strong** ~~gone~~ `a<b` &amp; &lt; \\* x  \nnext\n\n> quote\n\n"
        "3. three\n4. four\n\n"
        "- [x] done\n- [ ] not yet\n\n| a | b |\n|:-:|--:|\n| 1 | `2` |\n\n"
        "```python\ndef f():\n    return 'x'  # why\n```\n\n"
        "$E = mc^2$ costs $5 and $6.\n\n$$\n\\frac{1}{2}\n$$\n\n```js\nlet open = 1;",
    )
    voter = visit().open().ready()
    lane = voter.page.locator(".lane.a .answer")
    voter.page.wait_for_selector(".lane.a .katex")
    assert lane.locator("h3").all_inner_texts() == ["One", "Four"]
    assert [lane.locator(tag).first.inner_text() for tag in ("em", "strong", "del", "p code")] == [
        "em",
        "strong",
        "gone",
        "a<b",
    ]
    assert "& < * x" in lane.inner_text() and "costs $5 and $6." in lane.inner_text()
    assert lane.locator("ol").get_attribute("start") == "3"
    assert lane.locator("li.task input").evaluate_all("nodes => nodes.map((node) => node.checked)") == [True, False]
    assert lane.locator("td.center").inner_text() == "1" and lane.locator("td.right").inner_text() == "2"
    assert lane.locator(".code").count() == 2 and lane.locator(".code .k").first.inner_text() == "def"
    assert lane.locator(".math.block .katex-display").count() == 1
    assert lane.locator(".katex").count() == 2


def test_code_can_be_copied(visit, models):
    say(models, "```\na < b && c\n```\n")
    voter = visit()
    voter.context.grant_permissions(["clipboard-read", "clipboard-write"])
    voter.open().ready()
    voter.page.click(".lane.a .code button")
    voter.page.wait_for_selector("text=Copied")
    assert voter.page.evaluate("navigator.clipboard.readText()") == "a < b && c"
