// The battle page: one battle at a time, from its prompt to the names. The server's event stream moves it from phase to
// phase; after a reload everything comes back from the server, nothing of a battle is kept in the browser.
import { announce, banner, byId } from "./dom.js";
import { battles, get, newKey } from "./api.js";
import { Stream } from "./stream.js";
import { Composer } from "./composer.js";
import { Dock } from "./dock.js";
import { LANES, LaneHeads } from "./lanes.js";
import { Rate } from "./rate.js";
import { Turn } from "./turn.js";
import { Dwell } from "./dwell.js";
import { Mode, MODES } from "./mode.js";
import { asksWhy, ending, invite, isAsked, queue, showProgress } from "./queue.js";
import { bindHistory } from "./history.js";
import { bindKeys } from "./keyboard.js";
import { inHouseProblem, recipientsSentence } from "./recipients.js";
import { errorSentence } from "./words.js";

const TITLES = {
  compose: "Battle", streaming: "Answering…", ready: "Your vote", rating: "Your reasons", voted: "Revealed",
};
const QUEUE_LOOK_MS = 5000;
const OVER = new Set(["voted", "skipped", "void", "expired"]);

// A battle's state, and "rating" between its vote and the names.
function phaseOf(battle) {
  if (!battle) return "compose";
  return battle.state === "voted" && !battle.revealed ? "rating" : battle.state;
}

class BattlePage {
  constructor() {
    this.dock = new Dock({
      vote: (winner) => this.vote(winner), stop: () => this.stop(), skip: () => this.skip(),
      regenerate: () => this.regenerate(), next: () => this.next(), followUp: () => this.followUp(),
    });
    this.rate = new Rate(() => this.reveal());
    this.heads = new LaneHeads(byId("heads"), byId("battle"), () => this.inView());
    this.dwell = new Dwell(this.heads);
    this.mode = new Mode();
    this.composer = new Composer((prompt) => this.send(prompt));
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel("arena") : null;
    bindHistory((id) => this.open(id));
    byId("open-help").addEventListener("click", () => byId("help").showModal());
    bindKeys({
      a: () => this.vote("model_a"), b: () => this.vote("model_b"),
      tie: () => this.vote("tie"), bad: () => this.vote("both_bad"),
      skip: () => this.skip(), regenerate: () => this.regenerate(),
      next: () => this.next(), reveal: () => this.reveal(), stop: () => this.stop(),
      focus: () => this.followUp(), help: () => byId("help").showModal(),
    });
    addEventListener("popstate", () => this.restore());
    this.restore();
  }

  get id() { return this.battle?.battle_id; }
  get phase() { return phaseOf(this.battle); }

  restore() {
    const id = new URLSearchParams(location.search).get("battle");
    if (id) this.open(id, false);
    else if (isAsked()) this.nextPair();
    else this.clear();
  }

  // ---- what is shown ----

  enter(state) {
    if (this.battle) this.battle.state = state;
    const { phase } = this;
    this.dock.phase(phase);
    this.dock.problem(null);
    const alone = this.battle?.mode === "direct";
    this.composer.invite(state === "compose" ? "Ask anything" : alone ? "Go on" : "Ask both a follow-up");
    document.title = `${TITLES[phase] ?? "Battle"} · arena`;
    if (phase === "ready") this.showReady();
    if (phase === "rating") this.showRating();
    if (OVER.has(phase)) this.showOver();
  }

  showReady() {
    this.turns.at(-1)?.finish();
    for (const lane of LANES) this.heads.say(lane, "finished");
    this.updateHint();
    this.dock.focus("vote-title");
    announce(this.lanes.length > 1 ? "Both answers are finished. Which is better?" : "The answer is finished.");
  }

  showChoice() {
    this.stream?.close();
    for (const turn of this.turns) {
      turn.finish(this.battle.state === "voted" ? undefined : "Nothing was written.");
      turn.choose(this.battle.winner);
    }
    this.heads.reveal(this.battle.models, this.battle.winner);
  }

  showRating() {
    this.showChoice();
    this.rate.ask(this.battle);
    this.dock.focus("rate-title");
  }

  showOver() {
    this.showChoice();
    if (this.phase === "voted") this.tagAnswers();
    this.dock.outcome(this.battle);
    this.dock.focus("outcome-title");
  }

  updateHint() {
    if (this.phase !== "ready") return;
    const unread = LANES.find((lane) => !this.heads.seen[lane]);
    this.dock.hint(this.heads.bothSeen() ? null : `Read answer ${unread.toUpperCase()} before you vote.`);
  }

  // Another lane came into view.
  inView() {
    this.dwell?.mark();
    this.updateHint();
  }

  get lanes() { return this.battle?.mode === "direct" ? ["a"] : LANES; }

  clear() {
    clearTimeout(this.waiting);
    this.stream?.close();
    this.stream = null;
    this.battle = null;
    this.dock.begin();
    showProgress(null);
    this.turns = [];
    byId("turns").replaceChildren();
    byId("opening").replaceChildren();
    this.enter("compose");
    this.mode.say(MODES[this.mode.value]);
    invite();
  }

  // Lanes are shown in changing order on phones, so that neither letter is always read first.
  begin(battle) {
    this.clear();
    this.battle = battle;
    this.dock.begin(battle);
    const first = battle.battle_id.charCodeAt(battle.battle_id.length - 1) % 2 ? "a" : "b";
    this.heads.reset(this.lanes.length > 1 ? first : "a", this.lanes.length === 1);
    if (battle.mode) this.heads.reveal(battle.models);
    this.dwell.start();
  }

  addTurn(number, prompt) {
    const turn = new Turn(number, prompt, this.lanes);
    this.turns.push(turn);
    byId("turns").append(turn.node);
    if (this.turns.length === 1) byId("opening").replaceChildren(turn.prompt);
    else turn.node.prepend(turn.prompt);
    return turn;
  }

  async open(id, push = true) {
    let battle;
    try {
      battle = await battles.read(id);
    } catch (error) {
      this.clear();
      this.dock.problem(errorSentence(error), error.code === "offline" ? () => this.open(id, push) : null);
      return;
    }
    if (push) history.pushState(null, "", `/?battle=${encodeURIComponent(id)}`);
    this.begin(battle);
    for (const turn of battle.turns) this.restoreTurn(turn, battle.state);
    this.enter(battle.state);
    if (battle.state === "streaming") this.listen();
  }

  restoreTurn(stored, state) {
    const turn = this.addTurn(stored.turn, stored.prompt);
    const last = stored.turn === this.battle.turns.length;
    if (last && state === "streaming") return;
    for (const lane of this.lanes) turn.tell(lane, stored[lane].text);
    turn.finish();
  }

  // What the server tells of the answers only after the vote.
  async tagAnswers() {
    const { battle } = this;
    const now = battle.turns ? battle : await battles.read(this.id).catch(() => null);
    if (battle !== this.battle || now?.state !== "voted") return;
    for (const stored of now.turns) for (const lane of this.lanes) this.turns[stored.turn - 1]?.tag(lane, stored[lane]);
  }

  // ---- the event stream ----

  listen() {
    const lastId = this.stream?.lastId ?? null;
    this.replaying = lastId === null && !this.isNew;
    this.isNew = false;
    this.stream?.close();
    const battle = this.battle;
    this.stream = new Stream(battles.events(this.id), lastId, {
      event: (name, data) => { if (battle === this.battle) this.hear(name, data); },
      lost: () => banner("The connection to the arena is lost. Trying again…"),
      back: () => banner(null),
      refused: () => this.open(this.id, false),
    });
  }

  hear(name, data) {
    const turn = this.turns[data.turn - 1];
    const isLast = turn !== undefined && turn === this.turns.at(-1);
    if (name === "delta") turn?.hear(data.lane, data.text);
    else if (name === "reset") turn?.reset();
    else if (name === "lane" && isLast) this.laneMoved(turn, data);
    else if (name === "ready" && isLast) this.becomeReady();
    else if (name === "void") this.ended(data.code);
    else if (name === "voted") this.reload();
  }

  // A stream that is read from its start tells of a `ready` that a later regeneration took back: ask before believing.
  async becomeReady() {
    const { stream, battle } = this;
    if (this.replaying) {
      const now = await battles.read(this.id).catch(() => null);
      if (stream !== this.stream || battle !== this.battle || now?.state !== "ready") return;
    }
    stream.close();
    this.replaying = false;
    this.enter("ready");
  }

  laneMoved(turn, { lane, state }) {
    if (state !== "done") return;
    turn.finishLane(lane);
    this.heads.say(lane, "finished");
    announce(`Answer ${lane.toUpperCase()} finished, ${turn.words(lane)} words.`);
  }

  // `void` closes a battle that failed, and also one that was skipped or has expired.
  ended(code) {
    this.battle.code = code;
    this.enter(code === "skipped" || code === "expired" ? code : "void");
  }

  async reload() {
    const battle = await battles.read(this.id).catch(() => null);
    if (!battle || battle.battle_id !== this.id || this.phase === phaseOf(battle)) return;
    this.battle = battle;
    this.enter(battle.state);
  }

  // ---- what the voter does ----

  // Runs one request. The same key goes with every try, so a lost answer never makes a second battle or vote.
  async attempt(request, done, key = newKey()) {
    this.dock.problem(null);
    const { battle } = this;
    try {
      const body = await request(key);
      if (battle === this.battle) done(body);
      return true;
    } catch (error) {
      if (battle !== this.battle) return false;
      await this.failed(error, () => this.attempt(request, done, key));
      return false;
    }
  }

  async failed(error, retry) {
    this.dock.press(null);
    this.rate.busy(false);
    byId("stop").disabled = false;
    if (error.code === "already_voted" || error.code === "wrong_state") await this.reload();
    if (OVER.has(this.phase)) return;
    this.dock.problem(errorSentence(error), error.status === 0 || error.status >= 500 ? retry : null);
  }

  send(prompt) {
    if (this.phase === "ready") return this.ask(prompt);
    const more = { ...this.mode.request(), ...(byId("in-house-only").checked && { in_house_only: true }) };
    return this.attempt((key) => battles.start(prompt, more, key), (body) => {
      this.begin(body);
      this.isNew = true;
      history.pushState(null, "", `/?battle=${encodeURIComponent(body.battle_id)}`);
      this.startTurn(prompt);
    });
  }

  startTurn(prompt) {
    const turn = this.addTurn(this.turns.length + 1, prompt);
    this.enter("streaming");
    this.heads.unread();
    this.dwell.start();
    this.listen();
    scrollTo({ top: this.turns.length > 1 ? turn.node.offsetTop - 140 : 0, behavior: "smooth" });
  }

  ask(prompt) {
    return this.attempt((key) => battles.ask(this.id, prompt, key), () => this.startTurn(prompt));
  }

  followUp() {
    if (this.phase !== "ready" && this.phase !== "compose") return false;
    this.composer.focus();
    return true;
  }

  vote(winner) {
    if (this.phase !== "ready" || byId("vote").querySelector(":disabled")) return false;
    if (!this.heads.bothSeen()) { announce(byId("vote-hint").textContent); return false; }
    this.dock.press(winner);
    const vote = { winner, reveal: Boolean(this.battle.mode), read_ms: this.dwell.least() };
    this.attempt((key) => battles.vote(this.id, vote, key), (answer) => {
      const { queued } = this.battle;
      this.battle = answer;
      this.channel?.postMessage("voted");
      if (queued && isAsked() && !answer.ask_recognised && !asksWhy()) this.nextPair();
      else this.enter("voted");
    });
    return true;
  }

  // ---- the queue: the next finished pair at once ----

  nextPair() {
    if (!this.battle) this.clear();
    return this.attempt((key) => queue.next(key), ({ battle, progress }) => {
      if (!battle) return this.rest(progress);
      this.begin(battle);
      for (const turn of battle.turns) this.restoreTurn(turn, battle.state);
      showProgress(progress);
      this.enter(battle.state);
      scrollTo({ top: 0 });
    });
  }

  // Nothing is left; when more is being prepared, it is looked for now and then.
  rest(progress) {
    this.clear();
    this.mode.say(ending(progress));
    byId("queue-invite").hidden = true;
    if (progress.preparing) this.waiting = setTimeout(() => this.nextPair(), QUEUE_LOOK_MS);
  }

  // What the voter adds goes first: after the names it would not be worth as much, and the server refuses it.
  reveal() {
    if (this.phase !== "rating" || byId("rate-done").disabled) return false;
    const given = this.rate.given();
    this.rate.busy(true);
    this.attempt(async (key) => {
      if (given) await battles.rate(this.id, given, key);
      return isAsked() && this.battle.queued ? null : battles.reveal(this.id, key);
    }, (vote) => {
      if (!vote) return this.nextPair();
      this.battle = vote;
      this.enter("voted");
      announce(`A was ${vote.models.a.name}. B was ${vote.models.b.name}.`);
    });
    return true;
  }

  stop() {
    if (this.phase !== "streaming") return false;
    byId("stop").disabled = true;
    this.attempt(() => battles.act(this.id, "stop"), () => {});
    return true;
  }

  skip() {
    if (this.phase !== "ready" && this.phase !== "streaming") return false;
    const { queued, mode } = this.battle;
    this.attempt(() => battles.act(this.id, "skip"), () => {
      if (queued && isAsked()) return this.nextPair();
      if (mode) return this.leave();
      return this.enter("skipped");
    });
    return true;
  }

  regenerate() {
    if (this.phase !== "ready") return false;
    this.attempt(() => battles.act(this.id, "regenerate"), () => {
      this.turns.at(-1).reset();
      this.enter("streaming");
      this.heads.unread();
      this.listen();
    });
    return true;
  }

  next() {
    if (this.phase === "rating") return this.reveal();
    if (!OVER.has(this.phase)) return false;
    if (isAsked()) this.nextPair();
    else this.leave();
    return true;
  }

  // Nobody whom the arena knows: there is nothing to write into.
  turnAway() {
    byId("main").toggleAttribute("data-guest", true);
    this.mode.say({
      title: ["This arena is", "by invitation."],
      text: "Open the link that you were sent; it lets you in. Whoever has set a password here can sign in with it.",
    });
    byId("sign-in").hidden = false;
  }

  // Back to the first page, asking the same way.
  leave() {
    history.pushState(null, "", this.mode.value === "blind" ? "/" : `/?mode=${this.mode.value}`);
    this.clear();
    this.composer.focus();
  }
}

const IN_HOUSE = "in-house-only";
const remembered = {
  get() { try { return localStorage.getItem(IN_HOUSE) === "yes"; } catch { return false; } },
  set(on) { try { localStorage.setItem(IN_HOUSE, on ? "yes" : "no"); } catch { /* for this page alone, then */ } },
};

// Who may receive a prompt stands under the box that it is written in, with the choice to keep it in-house. Who chose
// that on the notice has it everywhere: the server sees to it.
function showRecipients(page, consent) {
  const box = byId("in-house-only");
  const problem = inHouseProblem(consent);
  page.dock.tellRecipients(recipientsSentence(consent));
  byId("in-house-hint").textContent = problem ?? "";
  byId("in-house-hint").hidden = !problem;
  box.checked = consent.in_house_only || (!problem && remembered.get());
  box.disabled = Boolean(problem) || consent.in_house_only;
  box.addEventListener("change", () => remembered.set(box.checked));
  byId("recipients").hidden = false;
}

// Where voters are invited, each agrees to the notice before the first prompt.
async function agreeFirst(page) {
  const consent = await get("/api/consent").catch((error) => {
    if (error.code === "unauthorized") page.turnAway();
    return null;
  });
  if (consent?.first) location.replace("/consent");
  else if (consent?.recipients.length) showRecipients(page, consent);
}

agreeFirst(new BattlePage());
