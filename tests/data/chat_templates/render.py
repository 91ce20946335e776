"""Renders chat templates with Jinja2 as Hugging Face's apply_chat_template does: python3 render.py TEMPLATE...
Writes NAME.expected beside this file, one part a conversation of conversations.txt; "refused" where the template
raises. Run by hand when a template or a conversation is added (needs jinja2)."""
import pathlib
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

SEPARATOR = "\n@@@@\n"
HERE = pathlib.Path(__file__).parent


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def conversations():
    """The file's blocks as lists of messages."""
    block = []
    for line in (HERE / "conversations.txt").read_text().split("\n"):
        if line.startswith("#"):
            continue
        if line:
            role, text = line.split("|", 1)
            block.append({"role": role, "content": text.replace("\\n", "\n")})
        elif block:
            yield block
            block = []


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    env.globals["raise_exception"] = refuse
    return env


def render(source, messages):
    try:
        return environment().from_string(source).render(
            messages=messages, tools=None, documents=None, add_generation_prompt=True,
            bos_token="<s>", eos_token="</s>")
    except jinja2.exceptions.TemplateError:
        return "refused"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        texts = [render(path.read_text(), messages) for messages in conversations()]
        (HERE / (path.stem + ".expected")).write_text(SEPARATOR.join(texts))
