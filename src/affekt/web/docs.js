// The description of the interface, made readable: /openapi.json in, sections out.

const VERBS = ["get", "post", "put", "delete"];

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function table(head, rows) {
  const made = document.createElement("table");
  const row = (cells, kind) => {
    const line = document.createElement("tr");
    for (const cell of cells) line.append(element(kind, cell));
    return line;
  };
  made.append(row(head, "th"), ...rows.map((cells) => row(cells, "td")));
  return made;
}

function kindOf(schema) {
  if (!schema) return "";
  if (schema.anyOf) return schema.anyOf.map(kindOf).filter((kind) => kind !== "null").join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.items) return `list of ${kindOf(schema.items)}`;
  return schema.format === "binary" ? "file" : schema.type || "";
}

function fieldsOf(operation) {
  const rows = (operation.parameters || []).map((p) =>
    [p.name, p.in, kindOf(p.schema), p.required ? "needed" : "", p.description || ""]);
  for (const [type, body] of Object.entries(operation.requestBody?.content || {})) {
    const needed = body.schema.required || [];
    for (const [name, schema] of Object.entries(body.schema.properties || {})) {
      rows.push([name, type.split("/")[1], kindOf(schema), needed.includes(name) ? "needed" : "",
        schema.description || ""]);
    }
  }
  return rows;
}

function section(path, verb, operation) {
  const made = element("section", "", { id: operation.operationId });
  const title = document.createElement("h2");
  title.append(element("code", verb.toUpperCase(), { class: "verb" }), ` ${path}`);
  made.append(title, element("p", operation.summary || ""));
  const fields = fieldsOf(operation);
  if (fields.length) made.append(element("h3", "Takes"), table(["name", "where", "kind", "", ""], fields));
  const answers = Object.entries(operation.responses).map(([status, answer]) => [status, answer.description]);
  made.append(element("h3", "Answers"), table(["status", ""], answers));
  return made;
}

function link(path, verb, operation) {
  const item = document.createElement("li");
  const anchor = element("a", path, { href: `#${operation.operationId}` });
  item.append(element("code", verb.toUpperCase(), { class: "verb" }), " ", anchor);
  return item;
}

async function show() {
  const routes = document.getElementById("routes");
  const list = document.getElementById("list");
  try {
    const answer = await fetch("/openapi.json");
    const description = await answer.json();
    document.getElementById("version").textContent = description.info.version;
    routes.replaceChildren();
    for (const [path, operations] of Object.entries(description.paths)) {
      for (const verb of VERBS.filter((name) => operations[name])) {
        routes.append(section(path, verb, operations[verb]));
        list.append(link(path, verb, operations[verb]));
      }
    }
  } catch (error) {
    routes.replaceChildren(element("p", `The description cannot be read: ${error.message}`));
  }
  const stream = document.createElement("li");
  stream.append(element("code", "WS", { class: "verb" }), " ", element("a", "/v1/stream", { href: "#stream" }));
  list.append(stream);
}

show();
