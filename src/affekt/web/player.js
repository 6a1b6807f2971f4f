// Hearing a recording, or a stretch of it. "time" while it plays, "state" when that changes.

export class Player extends EventTarget {
  #until = Infinity;
  #playable = false;

  constructor(audio) {
    super();
    this.audio = audio;
    audio.addEventListener("loadeddata", () => this.#ready(true));
    audio.addEventListener("error", () => this.#ready(false));
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.#changed());
    audio.addEventListener("seeked", () => this.#told());
  }

  get playable() {
    return this.#playable;
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  /** How many times as fast as it was spoken. */
  set rate(rate) {
    // Whatever is loaded next begins with the default.
    this.audio.defaultPlaybackRate = this.audio.playbackRate = rate;
  }

  get time() {
    return this.audio.currentTime;
  }

  /** Take another recording: the address of its sound, or null. */
  load(address) {
    if (this.audio.getAttribute("src") === address) return;
    this.audio.pause();
    this.#ready(false);
    if (address) this.audio.src = address;
    else this.audio.removeAttribute("src");
    this.audio.load();
  }

  seek(time) {
    this.#until = Infinity;
    if (this.#playable) this.audio.currentTime = time;
  }

  toggle() {
    if (this.playing) return this.audio.pause();
    this.#until = Infinity;
    return this.#start();
  }

  /** From start to end, in seconds. */
  playSpan(start, end) {
    if (!this.#playable) return;
    this.audio.currentTime = start;
    this.#until = end;
    this.#start();
  }

  pause() {
    this.audio.pause();
  }

  #start() {
    // A pause right after play is no failure.
    return this.audio.play().catch((problem) => problem.name === "AbortError" || this.#ready(false));
  }

  #ready(playable) {
    this.#playable = playable;
    this.dispatchEvent(new Event("state"));
  }

  #changed() {
    this.dispatchEvent(new Event("state"));
    if (this.playing) this.#tick();
  }

  #tick() {
    if (!this.playing) return;
    if (this.time >= this.#until) {
      this.audio.pause();
      // Back inside, so that what is shown stays what was heard.
      this.audio.currentTime = this.#until - 0.01;
      this.#until = Infinity;
    }
    this.#told();
    requestAnimationFrame(() => this.#tick());
  }

  #told() {
    this.dispatchEvent(new Event("time"));
  }
}
