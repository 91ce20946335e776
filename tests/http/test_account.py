"""A voter's own page: signing in again, taking home what is stored, erasing it; administrators are asked again."""
import json
import subprocess
import threading
import time

import pytest

from arena_server import PATIENCE, ArenaServer, binary
from contract import refused
from fake_provider import Script

AUTH = {"mode": "invite"}
PASSWORD = "correct horse battery"


def arena(server, *arguments):
    done = subprocess.run([binary(), *arguments, "--data", str(server.data)], capture_output=True, text=True,
                          timeout=PATIENCE, check=True)
    return done.stdout.splitlines()


def newcomer(server, *options):
    [link] = arena(server, "invite", *options)
    voter = server.voter()
    assert voter.post("/api/join", {"token": link.rsplit("/", 1)[1]}).status == 201
    voter.agree()
    return voter


def password(voter, name, secret=PASSWORD, **more):
    return voter.post("/api/account/password", {"name": name, "password": secret, **more})


def login(server, name, secret=PASSWORD):
    voter = server.voter()
    return voter, voter.post("/api/login", {"name": name, "password": secret})


@pytest.fixture
def house(provider):
    with ArenaServer(config=provider.config("left", "right", auth=AUTH, limits={"min_votes": 1})) as running:
        yield running


def test_a_password_signs_in_elsewhere(house):
    voter = newcomer(house, "--cohort", "panel")
    battle, _ = voter.ready()
    assert voter.get("/api/account").json["password"] is False
    assert password(voter, "eve").status == 200
    mine = voter.get("/api/account").json
    assert mine["name"] == "eve" and mine["password"] is True and mine["cohort"] == "panel"
    other, reply = login(house, "eve")
    assert reply.status == 200 and reply.json == {"role": "voter", "cohort": "panel"}
    assert other.cookies and other.cookies != voter.cookies, "a session of its own"
    assert other.get(f"/api/battles/{battle}").status == 200, "the same voter"
    house.stop()
    house.start()
    for one in (voter, other):
        assert one.get("/api/account").json["name"] == "eve"


def test_a_wrong_password_tells_nothing(house):
    password(newcomer(house), "eve")
    _, wrong = login(house, "eve", "not that one at all")
    _, unknown = login(house, "mallory", "not that one at all")
    refused(wrong, "unauthorized", "name and password")
    assert wrong.body == unknown.body and "Set-Cookie" not in wrong.headers
    begun = time.monotonic()
    replies = [login(house, "eve", f"guess number {i}")[1].status for i in range(15)]
    allowed = 10 + 5 * (time.monotonic() - begun) / 60  # ten at once, five a minute
    assert 15 - replies.count(429) <= allowed + 1, "tries are counted"


def test_names_and_passwords_are_checked(house):
    eve, bob = newcomer(house), newcomer(house)
    assert password(eve, "eve").status == 200
    refused(password(bob, "eve"), "conflict", "taken")
    refused(password(bob, "bob", "short"), "bad_request", "8 to")
    refused(password(bob, "b\nb"), "bad_request", "control")
    refused(password(eve, "eve", "another long one"), "forbidden", "current")
    assert password(eve, "eve", "another long one", current=PASSWORD).status == 200
    refused(login(house, "eve")[1], "unauthorized")
    assert login(house, "eve", "another long one")[1].status == 200
    refused(house.voter().get("/api/account"), "unauthorized")


def test_signing_out_here_and_everywhere(house):
    voter = newcomer(house)
    password(voter, "eve")
    other, _ = login(house, "eve")
    assert voter.post("/api/logout").status == 200
    refused(voter.get("/api/account"), "unauthorized")
    assert other.get("/api/account").status == 200
    third, _ = login(house, "eve")
    assert third.post("/api/logout", {"everywhere": True}).status == 200
    refused(other.get("/api/account"), "unauthorized")
    house.stop()
    house.start()
    refused(other.get("/api/account"), "unauthorized")


def test_another_link_for_oneself(house):
    voter = newcomer(house)
    link = voter.post("/api/account/link")
    assert link.status == 201 and link.json["link"].startswith(house.origin + "/join/")
    phone = house.voter()
    assert phone.post("/api/join", {"token": link.json["link"].rsplit("/", 1)[1]}).status == 201
    assert phone.get("/api/account").json["id"] == voter.get("/api/account").json["id"]


def test_what_is_stored_is_taken_home(house):
    voter, stranger = newcomer(house), newcomer(house)
    first, _ = voter.ready("what is a quokka")
    voter.vote(first, "model_b", reveal=False)
    voter.post(f"/api/battles/{first}/feedback", {"comment": "the second one knew", "recognised": False})
    voter.post(f"/api/battles/{first}/reveal")
    open_battle, _ = voter.ready("and a wombat")
    mine = voter.get("/api/account/data").json
    [voted, blind] = mine["battles"]
    assert voted["turns"][0]["prompt"] == "what is a quokka" and voted["turns"][0]["answer_a"]
    assert {voted["model_a"], voted["model_b"]} == {"left", "right"}
    assert voted["vote"]["winner"] == "model_b" and voted["vote"]["comment"] == "the second one knew"
    assert blind["battle_id"] == open_battle and blind["model_a"] is None and "vote" not in blind
    assert stranger.get("/api/account/data").json["battles"] == []
    board = voter.get("/api/account/leaderboard").json
    assert board["votes"] == 1
    assert sorted(row["model"] for row in board["models"] + board["unranked"]) == ["left", "right"]
    assert stranger.get("/api/account/leaderboard").json["votes"] == 0


def test_erasing_everything(house):
    voter = newcomer(house)
    password(voter, "eve")
    battle, _ = voter.ready("my secret recipe")
    voter.vote(battle)
    arena(house, "leaderboard", "publish")
    standing = voter.board(1)["votes"]
    refused(voter.post("/api/account/erase"), "bad_request", "everything")
    assert voter.post("/api/account/erase", {"erase": "everything"}).json == {"battles": 1, "votes": 1}
    refused(voter.get("/api/account"), "unauthorized")
    refused(login(house, "eve")[1], "unauthorized")
    other, analyst = newcomer(house), newcomer(house, "--role", "analyst")
    for reader in (other, analyst):
        assert reader.board(standing), "what was counted stays counted"
    refused(other.get(f"/api/battles/{battle}"), "not_found")
    assert any("1 of them erased" in line for line in arena(house, "verify")), "the ledger still verifies"
    house.stop()
    for path in house.data.iterdir():
        if path.is_file() and path.name.startswith("arena.db"):
            assert b"my secret recipe" not in path.read_bytes()
    house.start()


def test_who_signs_in_again_has_agreed_already(house):
    voter = newcomer(house)
    voter.agree("export", in_house_only=True)
    password(voter, "eve")
    again, answer = login(house, "eve")
    assert answer.status == 200
    assert again.get("/api/consent").json["in_house_only"] is True
    refused(again.post("/api/battles", {"prompt": "hi"}), "in_house_only")  # no rival may read it
    voter.agree("export")
    third, _ = login(house, "eve")
    third.ready("hi")


def test_a_link_of_one_who_is_gone_opens_nothing(house):
    lead = newcomer(house, "--role", "admin")
    assert password(lead, "lead").status == 200
    link = lead.post("/api/account/link").json["link"]
    assert lead.post("/api/account/erase", {"erase": "everything"}).status == 200
    finder = house.voter()
    refused(finder.post("/api/join", {"token": link.rsplit("/", 1)[1]}), "forbidden", "withdrawn")
    refused(finder.get("/api/account"), "unauthorized")


def traces(house, *marks):
    """In which of the directory's files which of the marks stand."""
    files = [(path.name, path.read_bytes()) for path in sorted(house.data.iterdir()) if path.is_file()]
    return [(name, mark) for name, content in files for mark in marks if mark.encode() in content]


def test_no_file_keeps_a_byte_of_what_was_erased(provider, house):
    """Not the log beside the database either, and while the server goes on."""
    voter = newcomer(house)
    password(voter, "markname")
    provider.scripts["left"].text = provider.scripts["right"].text = "markfirst, as you said"
    battle, _ = voter.ready("markprompt " + "long " * 3000)
    provider.scripts["left"].text = provider.scripts["right"].text = "marksecond, as you said"
    stream = voter.events(battle)
    assert voter.post(f"/api/battles/{battle}/regenerate").status == 200
    stream.until("reset")
    stream.until("ready")
    stream.close()
    voter.vote(battle, reveal=False, key="markkey")
    voter.post(f"/api/battles/{battle}/feedback", {"comment": "markcomment", "recognised": {"a": "markguess"}})
    skipped, _ = voter.ready("markskipped")
    voter.post(f"/api/battles/{skipped}/skip")
    voter.ready("markopen")
    marks = ["markname", "markprompt", "markfirst", "marksecond", "markcomment", "markguess", "markskipped", "markopen",
             "markkey", voter.get("/api/account").json["id"]]
    assert {mark for _, mark in traces(house, *marks)} >= set(marks) - {"markfirst"}
    assert voter.post("/api/account/erase", {"erase": "everything"}, key="markerase").json == {"battles": 3, "votes": 1}
    end = time.monotonic() + PATIENCE
    while traces(house, *marks, "markerase") and time.monotonic() < end:
        time.sleep(0.05)
    assert traces(house, *marks, "markerase") == []


def test_nothing_is_erased_under_a_running_battle(provider, house):
    voter = newcomer(house)
    provider.scripts["left"] = provider.scripts["right"] = Script(hold=threading.Event())
    battle = voter.start("wait")
    refused(voter.post("/api/account/erase", {"erase": "everything"}), "wrong_state", "stop it")
    voter.post(f"/api/battles/{battle}/skip")


def test_an_administrator_is_asked_again(house):
    lead = newcomer(house, "--role", "admin")
    refused(lead.post("/api/invitations"), "confirm_required", "password")
    refused(lead.post("/api/account/confirm", {"password": PASSWORD}), "forbidden", "no password yet")
    assert password(lead, "lead").status == 200
    assert lead.post("/api/invitations").status == 201, "who has just set one has typed it"
    house.stop()
    house.start()
    lead.origin = house.origin  # another port
    refused(lead.post("/api/invitations"), "confirm_required")
    refused(lead.post("/api/account/confirm", {"password": "something else"}), "forbidden")
    assert lead.post("/api/account/confirm", {"password": PASSWORD}).status == 200
    assert lead.post("/api/invitations").status == 201
    again, _ = login(house, "lead")
    assert again.post("/api/invitations").status == 201, "and who has just signed in too"
    assert lead.get("/metrics").status == 200, "reading asks for nothing"


def test_at_home_there_is_no_door(server):
    voter = server.voter()
    refused(voter.get("/api/account"), "not_found")
    voter.ready("hi")
    assert json.loads(voter.get("/api/account").body)["role"] == "admin"
    assert len(voter.get("/api/account/data").json["battles"]) == 1
    refused(voter.post("/api/account/link"), "wrong_state")
