"""Checks replies against schema/: what is published is what is sent."""
import json
import pathlib

import jsonschema
import referencing

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "schema"
ERRORS = json.loads((FOLDER / "errors.json").read_text())
REGISTRY = referencing.Registry().with_resources(
    (name, referencing.Resource.from_contents(json.loads((FOLDER / name).read_text())))
    for name in ("api.schema.json", "errors.json"))
STATUS = {row["code"]: row["status"] for row in ERRORS["codes"]}


def check(name, value):
    jsonschema.Draft202012Validator({"$ref": f"api.schema.json#/$defs/{name}"}, registry=REGISTRY).validate(value)
    return value


def ok(response, name, status=200):
    assert response.status == status, response
    assert response.headers["Content-Type"] == "application/json"
    return check(name, response.json)


def refused(response, code, says=""):
    """A refusal: the word, the status that belongs to it, and a message that names what is wrong."""
    body = check("error", response.json)
    assert (body["error"]["code"], response.status) == (code, STATUS[code]), response
    assert says in body["error"]["message"], response
    return body
