// Keeps the whole app on this device, and lets nothing out: what is not its own file is refused.

const VERSION = "{{VERSION}}";
const FILES = {{FILES}};
const CACHE = `affekt-${VERSION}`;
const POLICY = "{{POLICY}}";

addEventListener("install", (event) => event.waitUntil(keepAll()));
addEventListener("activate", (event) => event.waitUntil(begin()));
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function keepAll() {
  const cache = await caches.open(CACHE);
  // Past the browser's own cache, which may hold an older version.
  await Promise.all(FILES.map(async (name) => cache.put(name, guarded(await got(new Request(name, { cache: "no-cache" }))))));
}

async function begin() {
  for (const name of await caches.keys()) if (name.startsWith("affekt-") && name !== CACHE) await caches.delete(name);
  await clients.claim();
}

async function answer(request) {
  const url = new URL(request.url);
  if (url.protocol === "blob:") return fetch(request);
  if (url.origin !== location.origin || request.method !== "GET") return Response.error();
  const asked = request.mode === "navigate" ? "index.html" : request;
  const kept = await caches.match(asked, { cacheName: CACHE, ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  const fresh = guarded(await got(request));
  // A model that was not chosen before is kept from now on; not where a newer version has deleted this one's cache.
  if (await caches.has(CACHE)) await (await caches.open(CACHE)).put(request, fresh.clone());
  return fresh;
}

async function got(request) {
  const found = await fetch(request);
  if (!found.ok) throw new Error(`${request.url}: ${found.status}`);
  return found;
}

/** The same answer with the policy that keeps the page, and its worker, to their own files. */
function guarded(found) {
  const headers = new Headers(found.headers);
  headers.set("Content-Security-Policy", POLICY);
  return new Response(found.body, { status: found.status, headers });
}
