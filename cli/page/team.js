// A group of the people on the page.

import { group } from "/dunlin/groups.js";
import { find } from "./dom.js";
import { figure } from "./words.js";

const CROWD = 1000;
/** People in one command, at most. */
const MOST = 256;

/** `begun` is the group of before, if there is one; `open` has everybody talk in it. */
export function team({ client }, begun, open) {
  const [make, deeds, crowd, carol, said] = ["make", "deeds", "crowd", "carol", "said"].map((name) => find(`#team-${name}`));
  const its = group(client, begun);
  const tell = (words) => (said.textContent = words);

  const click = (button, deed) => (button.onclick = async () => {
    button.disabled = true;
    await deed().catch((error) => tell(`That did not work: ${error.message}`));
    button.disabled = false;
  });

  function show() {
    make.hidden = true;
    deeds.hidden = false;
    open(its.address);
    let isIn = true;
    client.conversation(its.address).messages.subscribe((messages) => {
      const last = messages.findLast(({ event }) => event?.users.includes("carol"));
      isIn = last?.event.change !== "removed";
      carol.textContent = isIn ? "Remove Carol" : "Add Carol";
    });
    click(carol, () => (isIn ? its.remove(["carol"]) : its.add(["carol"])));
  }

  click(make, () => its.create({ title: "The three", members: ["bob", "carol"] }).then(show));
  click(crowd, async () => {
    for (let added = 0; added < CROWD; added += MOST) {
      const all = Array.from({ length: Math.min(MOST, CROWD - added) }, (_, at) => `member-${added + at + 1}`);
      await its.add(all);
      tell(`${figure(added + all.length)} of ${figure(CROWD)} added`);
    }
  });
  if (begun) show();
}
