// The page of attendance: a class is opened, its roster and its sessions are shown.

import { Api } from "./api.js";
import { RollView } from "./roll.js";
import { RosterView } from "./roster.js";
import { translated } from "./said.js";
import { write } from "./strings.js";
import { askToken, offerLanguage, offerTheme } from "./top.js";

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
let law = "";
const drawLaw = () => write(find("law"), translated(law));
offerLanguage(() => {
  drawLaw();
  roster.redraw();
  roll.redraw();
});
const roster = new RosterView(page);
const roll = new RollView(page);

async function begin() {
  const { rosters, statuses, photos, ...told } = await page.api.attendance("");
  page.photos = photos;
  law = told.law;
  drawLaw();
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
