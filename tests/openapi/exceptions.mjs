// Where GitHub itself, or a choice of ours, differs from the description. Each entry says why; one that excuses nothing is a fault.

// Schemas that the description itself has wrong.
export const CORRECTED = new Map([
  // It holds an old copy of the schema, in which an account is a user and an enterprise at once.
  ["GET /app/installations 200", { type: "array", items: { $ref: "#/components/schemas/installation" } }],
]);

const LIST = [
  {
    why: "every error of the real API has `status`; the schemas of single errors are older than the field",
    where: / 4\d\d$/,
    says: /^\/status is not a field/,
  },
  {
    why: "an installation's `client_id` and an App's are in the shared schemas; the webhooks' copies are older",
    where: /^webhook/,
    says: /(installation|performed_via_github_app)\/client_id is not a field/,
  },
  {
    why: "`user_view_type` is in the shared schema of a user; the webhooks' copies are older",
    where: /^webhook/,
    says: /\/user_view_type is not a field/,
  },
  {
    why: "`has_discussions` is in the shared schema of a repository; the webhook's copy is older",
    where: /^webhook fork$/,
    says: /^\/forkee\/has_discussions is not a field/,
  },
  {
    why: "a status without addresses has empty ones: the REST schema's default is \"\", the webhook's copy lost it",
    where: /^webhook deployment-status-created$/,
    says: /^\/deployment_status\/(log_url|environment_url) must match format "uri"/,
  },
  {
    why: "a check run with too long actions or no title is a failed validation; the description lists no errors of its own here",
    where: /check-runs(\/\{check_run_id\})?$/,
    says: /^422 is not one of its statuses/,
  },
  {
    why: "contents of the root folder: the path may be left out",
    where: /^GET \/repos\/[^/]+\/[^/]+\/contents$/,
    says: /is not an operation/,
  },
  {
    why: "a deployment refused for its contexts lists them; the description shows no answer here",
    where: /^POST .*\/deployments 409$/,
    says: /^\/errors\/\d+\/contexts is not a field/,
  },
  {
    why: "GitHub Enterprise Server says its version; the description is of github.com",
    where: /^GET \/meta 200$/,
    says: /^\/installed_version is not a field/,
  },
  {
    why: "drafts become ready through GraphQL only; the hub has none, and takes the field here instead",
    where: /^PATCH \/repos\/\{owner\}\/\{repo\}\/pulls\/\{pull_number\} body$/,
    says: /^\/draft is not a field/,
  },
  {
    why: "GitHub's merge queue is moved by GraphQL only, which the description of REST leaves out",
    where: /^POST \/graphql$/,
    says: /^is not an operation/,
  },
];

export class Exceptions {
  #used = new Set();

  covers(where, sentence) {
    const entry = LIST.find((one) => one.where.test(where) && one.says.test(sentence));
    if (entry) this.#used.add(entry);
    return Boolean(entry);
  }

  unused() {
    return LIST.filter((one) => !this.#used.has(one)).map((one) => one.why);
  }
}
