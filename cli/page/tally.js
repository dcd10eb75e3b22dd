// The counter as it is shown, and the run that it counts.

import { Count, RUN, runText } from "./count.js";
import { find, soon } from "./dom.js";
import { figure, span } from "./words.js";

/** ms from one to the next: a gateway takes 200 a second of one person. */
const EVERY = 40;

/** Gives what has a group counted, too. */
export function tally(alice, bob) {
  const count = new Count();
  let sentOfRun = 0;
  let timer = 0;
  const [run, verdict] = [find("#run"), find("#verdict")];

  const draw = soon(() => {
    const { sent, waits, missing, twice, astray } = count.settle();
    const shown = waits.length;
    const again = twice + astray;
    put("sent", sent);
    put("shown", shown);
    put("twice", again, again);
    put("gaps", missing, missing);
    find("#count-longest").textContent = shown ? span(waits.reduce((most, wait) => Math.max(most, wait))) : "–";
    const lost = again || missing;
    verdict.textContent = lost ? "Something is missing, came twice, or to somebody it is not for. Please tell us how."
      : shown < sent ? `${figure(sent - shown)} on the way. Each waits until it gets through.`
      : sent ? "Everything that was sent was shown, once." : "Counted from what the receiving clients were given.";
    verdict.className = `small ${lost ? "bad" : sent && shown === sent ? "good" : "soft"}`;
    run.textContent = timer ? `Stop, at ${figure(sentOfRun)}` : `Send ${figure(RUN)} while you break things`;
  });

  const stop = () => {
    clearInterval(timer);
    timer = 0;
    find("#said").textContent = `${figure(sentOfRun)} messages were sent`;
    draw();
  };
  const follow = (side, peer) => count.follow(side, peer, draw);
  follow(alice, "bob");
  follow(bob, "alice");
  run.onclick = () => {
    if (timer) return stop();
    const name = Math.random().toString(36).slice(2, 6);
    sentOfRun = 0;
    timer = setInterval(() => {
      alice.conversation().send(runText(++sentOfRun, name));
      if (sentOfRun === RUN) stop();
      draw();
    }, EVERY);
  };
  return follow;
}

function put(what, count, bad) {
  const node = find(`#count-${what}`);
  node.textContent = figure(count);
  node.classList.toggle("bad", !!bad);
}
