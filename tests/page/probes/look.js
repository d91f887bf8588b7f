// What a page would show in which foreign text became code, style or elements.
() => ({
  ran: window.hits ?? [],
  polluted: Object.prototype.polluted ?? null,
  title: document.title,
  scripts: document.querySelectorAll("script").length,
  images: document.querySelectorAll("img").length,
  strange: document.querySelectorAll(
    "iframe, object, embed, video, math, template, base, style, audio, source, marquee, a[href^='javascript' i]",
  ).length,
  handlers: [...document.querySelectorAll("*")]
    .flatMap((it) => [...it.attributes])
    .filter((it) => /^on|^style$|^srcdoc$|^formaction$/i.test(it.name)).length,
});
