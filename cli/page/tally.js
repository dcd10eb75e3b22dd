// The counter on the page, and the run that gives it something to count.

import { Count, runText } from "./count.js";
import { find, inNextFrame } from "./dom.js";
import { figure, span } from "./words.js";

/** @import { Side } from "./side.js" */

const RUN = 1000;
/** Messages a second: well below the 200 that a gateway takes of one person. */
const PACE = 40;
const STEP = 100;
/** What a page that slept catches up with at once. */
const AT_ONCE = 20;

/** @param {Side} alice @param {Side} bob */
export function tally(alice, bob) {
    let gaps = 0;
    let again = 0;
    let sentOfRun = 0;
    let timer = 0;
    const [start, stop, progress, verdict] = ["#run-start", "#run-stop", "#run-progress", "#verdict"].map((selector) => find(selector));

    const draw = inNextFrame(() => {
        const sum = (/** @type {"sent" | "twice" | "holes"} */ what) => counts.reduce((sum, count) => sum + count[what], 0);
        const waits = counts.flatMap((count) => count.waits);
        const [sent, shown, twice, missing] = [sum("sent"), waits.length, again + sum("twice"), gaps + sum("holes")];
        put("sent", figure(sent));
        put("shown", figure(shown));
        put("twice", figure(twice), twice > 0);
        put("gaps", figure(missing), missing > 0);
        put("longest", shown ? span(waits.reduce((most, wait) => Math.max(most, wait))) : "–");
        [verdict.textContent, verdict.className] = twice || missing ? ["Something is missing, or came twice. Please tell us how.", "verdict bad"]
            : !sent ? ["Counted from what the receiving client was given.", "verdict"]
            : shown < sent ? [`${figure(sent - shown)} on the way. Each waits until it gets through.`, "verdict"]
            : ["Everything that was sent was shown, once.", "verdict good"];
        progress.value = sentOfRun;
        find("#run-text").textContent = `${figure(sentOfRun)} of ${figure(RUN)} sent`;
    });

    const counts = [[alice, bob], [bob, alice]].map(([from, to]) => {
        const given = new Set();
        to.client.on("entry", ({ id, content }) => {
            if (content?.message && given.has(id)) again += 1;
            given.add(id);
        });
        to.client.on("gap", () => {
            gaps += 1;
            draw();
        });
        return new Count(from.counted, to.counted, draw);
    });

    /** @param {boolean} going @param {string} words */
    const turn = (going, words) => {
        const focused = [start, stop].includes(document.activeElement);
        start.hidden = going;
        find("#run-going").hidden = !going;
        find("#run-said").textContent = words;
        if (focused) (going ? stop : start).focus();
    };
    start.onclick = () => {
        const run = Math.random().toString(36).slice(2, 6);
        const began = performance.now();
        sentOfRun = 0;
        counts[0].expect(run);
        turn(true, "Sending");
        timer = setInterval(() => {
            const due = Math.min(RUN, ((performance.now() - began) * PACE) / 1000, sentOfRun + AT_ONCE);
            while (sentOfRun + 1 <= due) alice.counted.send(runText(++sentOfRun, RUN, run));
            if (sentOfRun === RUN) stop.onclick();
            draw();
        }, STEP);
    };
    stop.onclick = () => {
        clearInterval(timer);
        turn(false, `${figure(sentOfRun)} messages were sent`);
    };
}

/** @param {string} what @param {string} words @param {boolean} [bad] */
function put(what, words, bad = false) {
    find(`#count-${what}`).textContent = words;
    find(`#count-${what}`).classList.toggle("bad", bad);
}
