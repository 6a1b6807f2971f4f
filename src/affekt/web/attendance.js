// The page of attendance: a class is opened, its roster and its sessions are shown.

import { Api } from "./api.js";
import { RollView } from "./roll.js";
import { RosterView } from "./roster.js";
import { askToken, offerTheme } from "./top.js";

const find = (id) => document.getElementById(id);

const page = {
  api: new Api(),
  photos: 12,
  complain(words) {
    find("problem").hidden = !words;
    find("problem-text").textContent = words;
    if (words) find("problem").scrollIntoView({ block: "nearest" });
  },
  announce(words) {
    find("announcer").textContent = words;
  },
  /** Do something, and say what went wrong. */
  async trying(act) {
    page.complain("");
    try {
      await act();
    } catch (problem) {
      page.complain(problem.message);
    }
  },
};

askToken(page.api);
offerTheme()();
const roster = new RosterView(page);
const roll = new RollView(page);

async function begin() {
  const { rosters, statuses, law, photos } = await page.api.attendance("");
  page.photos = photos;
  find("law").textContent = law;
  find("classes").replaceChildren(...rosters.map((name) => new Option(name, name)));
  roll.offer(statuses);
  if (rosters.length === 1) {
    find("class").value = rosters[0];
    await open();
  }
}

async function open() {
  const name = find("class").value.trim();
  if (!name) return;
  await roster.show(name);
  await roll.show(name);
  find("opened").hidden = false;
}

roster.addEventListener("changed", () => page.trying(() => roll.draw()));
find("class-form").addEventListener("submit", (event) => {
  event.preventDefault();
  page.trying(open);
});
find("problem-close").addEventListener("click", () => page.complain(""));
page.trying(begin);
