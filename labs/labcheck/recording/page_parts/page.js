"use strict";
(() => {
  const recording = JSON.parse(document.getElementById("recording").textContent);
  const subtitle = document.getElementById("subtitle");
  const buttons = [...document.querySelectorAll("#steps button")];
  const markers = recording.cast.trim().split("\n").slice(1).map((line) => JSON.parse(line))
    .filter((event) => event[1] === "m").map((event) => event[0]);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;

  const player = AsciinemaPlayer.create({ data: recording.cast }, document.getElementById("player"), {
    fit: "width",
    preload: true,
    poster: "npt:0:0",
    theme: isDark ? "asciinema" : "papel",
    // Its own fonts come from nowhere: what the computer has.
    terminalFontFamily: 'ui-monospace, "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  });

  // The player tells the time only when asked.
  let shown;
  function follow() {
    const now = player.getCurrentTime() || 0;
    const cue = recording.cues.find((one) => one.start_s <= now && now < one.end_s);
    const text = cue ? cue.lines.join("\n") : "";
    if (text !== shown) {
      subtitle.textContent = text;
      shown = text;
    }
    // A moment of grace: a jump to a marker may land just before it.
    const step = markers.filter((at) => at <= now + 0.05).length - 1;
    buttons.forEach((button, index) => {
      if (index === step) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  }
  setInterval(follow, 100);
  follow();

  buttons.forEach((button) => {
    button.addEventListener("click", async () => {
      await player.seek({ marker: Number(button.dataset.marker) });
      await player.play();
    });
  });
  // For the tests, and for who writes a page around this one.
  window.walkthrough = { player, markers, cues: recording.cues };
})();
