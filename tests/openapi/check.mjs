// Holds recorded traffic against GitHub's description. Called by check.sh; says what is wrong, and ends with 1 when anything is.
//
// For each call: the operation is known, the query and the body fit, the status is one of its own, the answer fits, and there
// is no field that the description does not name. For each delivery: the payload fits the webhook's schema.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Description } from "./description.mjs";
import { CORRECTED, Exceptions } from "./exceptions.mjs";

const [cache, records, calls] = process.argv.slice(2);
const require = createRequire(join(cache, "package.json"));
const Ajv = require("ajv").default;
const addFormats = require("ajv-formats").default;
const github = new Description(join(cache, "api.github.com.json"), { Ajv, addFormats });
const exceptions = new Exceptions();

// Any call may end so, whether or not its operation lists it: bad credentials, a missing permission, a limit, nothing there.
const ALWAYS = new Set([400, 401, 403, 404, 429]);
const ERROR = { anyOf: [{ $ref: "#/components/schemas/basic-error" }, { $ref: "#/components/schemas/validation-error" }] };

const faults = new Map();
const seen = { operations: new Set(), ofBot: new Set(), answers: 0, bodies: 0, payloads: 0, webhooks: new Set() };

function report(where, sentences, example) {
  for (const sentence of sentences) {
    const key = `${where}: ${sentence.replace(/\/\d+(?=\/|\s)/g, "/*")}`;
    if (exceptions.covers(where, sentence)) continue;
    const fault = faults.get(key) ?? { count: 0, example };
    fault.count += 1;
    faults.set(key, fault);
  }
}

function schemaOf(content) {
  if (!content) return undefined;
  const media = Object.keys(content).find((one) => one === "application/json") ?? Object.keys(content).find((one) => one.includes("json"));
  return media && content[media].schema;
}

function fits(where, schema, value, example) {
  report(where, [...github.wrong(where, schema, value), ...github.unnamed(schema, value)], example);
}

function checkQuery(where, found, query, example) {
  const known = new Map(found.parameters.filter((one) => one.in === "query").map((one) => [one.name, one]));
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = known.get(name);
    if (!parameter) report(where, [`query has no \`${name}\``], example);
    else report(`${where} query ${name}`, github.wrong(`${where} query ${name}`,
      { type: "object", properties: { value: parameter.schema } }, { value }, { coerce: true }), example);
  }
}

function checkBody(where, found, body, example) {
  const wanted = github.resolve(found.operation.requestBody);
  const schema = schemaOf(wanted?.content);
  const isEmpty = body === null || Object.keys(body).length === 0;
  if (isEmpty && !wanted?.required) return;
  if (!schema) return report(where, ["no body is taken"], example);
  seen.bodies += 1;
  fits(`${where} body`, schema, body ?? {}, example);
}

function checkAnswer(where, found, call, example) {
  const at = `${where} ${call.status}`;
  const declared = github.resolve(found.operation.responses[call.status]);
  seen.answers += 1;
  if (!declared && !ALWAYS.has(call.status) && !(call.status === 304 && call.method === "GET")) {
    report(where, [`${call.status} is not one of its statuses`], example);
  }
  const schema = CORRECTED.get(at) ?? schemaOf(declared?.content);
  if (!schema) {
    // An error says its reason, also where the description does not show it.
    if (call.status >= 400) fits(at, ERROR, call.response, example);
    else if (call.response !== null) report(at, ["there must be no body"], example);
  } else if (call.media !== null && call.media !== "application/json") {
    report(at, isRaw(call) ? [] : [`unexpected media type ${call.media}`], example);
  } else {
    fits(at, schema, call.response, example);
  }
}

// Contents in raw form are bytes.
function isRaw(call) {
  return call.method === "GET" && /\/(contents|git\/blobs)\//.test(call.path);
}

function checkCall(call, isStoryOfHub, file) {
  const found = github.find(call.method, call.path);
  const example = `${file} #${call.line}`;
  // Stories of the hub ask for what is not there, to see it refused.
  if (!found && isStoryOfHub && call.status === 404) return;
  if (!found) return report(`${call.method} ${call.path}`, ["is not an operation"], example);
  const where = `${call.method} ${found.path}`;
  const isOfBot = !isStoryOfHub && /^(app$|installation:)/.test(call.actor);
  // People in stories send wrong things on purpose; what the server took must still be right.
  if (isOfBot || call.status < 300) {
    checkQuery(where, found, call.query, example);
    checkBody(where, found, call.body, example);
  }
  checkAnswer(where, found, call, example);
  seen.operations.add(where);
  if (isOfBot) seen.ofBot.add(where);
}

function checkDelivery(delivery, file) {
  const key = [delivery.event, delivery.action].filter(Boolean).join("-").replaceAll("_", "-");
  const example = `${file} #${delivery.line}`;
  const webhook = github.webhooks.get(key);
  if (!webhook) return report(`webhook ${key}`, ["is not an event"], example);
  seen.payloads += 1;
  seen.webhooks.add(key);
  fits(`webhook ${key}`, schemaOf(webhook.requestBody.content), delivery.payload, example);
}

function read(file) {
  const lines = readFileSync(join(records, file), "utf8").split("\n").filter(Boolean);
  lines.forEach((text, index) => {
    const entry = { ...JSON.parse(text), line: index + 1 };
    if (entry.event) checkDelivery(entry, file);
    else checkCall(entry, file.startsWith("hub-"), file);
  });
}

// Every call that the bot says it makes is an operation.
function checkList() {
  const listed = [...readFileSync(calls, "utf8").matchAll(/^ {4}"([A-Z]+)" "([^"]+)"/gm)].map(([, method, path]) => {
    const found = github.find(method, path.replaceAll("{}", "x"));
    if (!found) report(`${method} ${path}`, ["is not an operation"], "calls.rs");
    return found && `${method} ${found.path}`;
  });
  if (listed.length < 20) report("calls.rs", ["has no list of calls that can be read"], calls);
  const unlisted = [...seen.ofBot].filter((one) => !listed.includes(one));
  unlisted.forEach((one) => report(one, ["is called and is not in the bot's list of calls"], "calls.rs"));
  return listed.filter((one) => one && !seen.operations.has(one));
}

const files = readdirSync(records).filter((file) => file.endsWith(".jsonl")).sort();
files.forEach(read);
checkList().forEach((one) => report(one, ["is in the bot's list of calls and in no recorded story"], "calls.rs"));
exceptions.unused().forEach((one) => report("exceptions.mjs", [`\`${one}\` excuses nothing any more`], "exceptions.mjs"));
for (const [key, { count, example }] of faults) console.log(`WRONG ${key} (${count} times, first ${example})`);
console.log(`${files.length} stories: ${seen.operations.size} operations (${seen.ofBot.size} by the bot), ${seen.answers} answers, `
  + `${seen.bodies} bodies, ${seen.payloads} payloads of ${seen.webhooks.size} webhooks; ${faults.size} wrong`);
if (!seen.payloads || !seen.ofBot.size) console.log("WRONG the record has no calls of the bot or no deliveries");
process.exit(faults.size || !seen.payloads || !seen.ofBot.size ? 1 : 0);
