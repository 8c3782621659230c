#!/usr/bin/env bash
# Holds the chart: lint, what it renders against what is on record, that against the schemas of Kubernetes, and what it refuses.
#
# run.sh            all of it; needs go and python3, and fetches its tools once, each at a fixed version
# UPDATE=1 run.sh   writes the record (golden/) anew
# With KUBECONFIG set, what is rendered is also shown to that API server, which takes it as a dry run and keeps nothing.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
chart=../../helm
schemas=$cache/kubernetes-$KUBERNETES-schemas
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

bad() {
    printf 'not so: %s\n' "$*" >&2
    failed=1
}

# Kubernetes' own module carries the description of its API.
describe() {
    [ ! -d "$schemas" ] || return 0
    local module
    module=$(cd "$work" && go mod download -json "k8s.io/kubernetes@$KUBERNETES" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
    python3 schemas.py "$module/api/openapi-spec/swagger.json" "$schemas.new"
    mv "$schemas.new" "$schemas"
}

render() { # render VALUES: as release `bowsprit` in the namespace `bowsprit`
    helm template bowsprit "$chart" --namespace bowsprit --kube-version "$KUBERNETES" -f "$1"
}

golden() {
    local values name
    for values in values/*.yaml; do
        name=$(basename "$values")
        helm lint --strict --quiet --kube-version "$KUBERNETES" --namespace bowsprit -f "$values" "$chart" || bad "helm lint with $name"
        render "$values" >"$work/$name" || { bad "helm template with $name"; continue; }
        if [ "${UPDATE:-}" = 1 ]; then
            cp "$work/$name" "golden/$name"
        else
            diff -u "golden/$name" "$work/$name" || bad "$name renders as on record; if it should not, UPDATE=1 writes the record"
        fi
        # A ServiceMonitor belongs to an operator, not to Kubernetes.
        kubeconform -strict -summary -kubernetes-version "${KUBERNETES#v}" -skip ServiceMonitor \
            -schema-location "$schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json" "$work/$name" || bad "$name against the schemas"
    done
    # The check must be able to fail.
    printf 'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}\n' >"$work/wrong.yaml"
    if kubeconform -strict -schema-location "$schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json" "$work/wrong.yaml" >/dev/null; then
        bad 'an unknown field is refused by the schemas'
    fi
}

# Each line of refusals.txt: options of helm, then what the refusal says.
refusals() {
    local options says said
    while IFS='|' read -r options says; do
        case $options in '' | '#'*) continue ;; esac
        # The options of a line are words.
        # shellcheck disable=SC2086
        if said=$(helm template bowsprit "$chart" --namespace bowsprit --kube-version "$KUBERNETES" -f values/least.yaml $options 2>&1 >/dev/null); then
            bad "refused: $options"
        elif [[ $said != *"$says"* ]]; then
            bad "$options is refused with: $says"
            printf '%s\n' "$said" >&2
        fi
    done <refusals.txt
}

# A default of cpu would be the limit of every step, and one that asks for more than it would be refused. Keys are sorted.
uncapped() {
    if grep -h -A 1 '^ *default:$' "$work"/*.yaml | grep ' cpu:'; then return 1; fi
}

# The TOML that the chart writes is TOML, and says what the values said.
toml() {
    python3 - "$work" <<'PY'
import json, pathlib, re, subprocess, sys, textwrap, tomllib
text = (pathlib.Path(sys.argv[1]) / "full.yaml").read_text()
body = re.search(r"bowsprit\.toml: \|\n((?:    .*\n|\s*\n)+)", text).group(1)
found = tomllib.loads(textwrap.dedent(body))
assert found["github"]["app_id"] == 123456, found["github"]
assert found["limits"]["run_disk_bytes"] == 53687091200
assert found["chatops"]["repositories"]["octo/digits-training"] == "own"
assert found["github"]["webhook_secret_files"] == ["/etc/bowsprit/github/webhook-secret-0", "/etc/bowsprit/github/webhook-secret-1"]
assert found["secrets"]["octo/digits-training"]["DATASET_KEY"] == "/etc/bowsprit/steps/octo/digits-training/DATASET_KEY"
assert found["public_url"] == "https://bowsprit.example.org"
PY
}

# An API server judges what no schema can: Pod Security, expressions of policies, quantities.
server() {
    local name
    for name in least full each; do
        # A namespace that a dry run only promises would make all in it fail: those are made by hand, and go again.
        ./dry-run.sh "$work/$name.yaml" || bad "the API server takes $name.yaml"
    done
}

tools
describe
golden
refusals
uncapped || bad 'a step may ask for as many cores as it likes'
toml || bad 'the configuration is TOML'
if [ -n "${KUBECONFIG:-}" ]; then
    server
else
    printf 'no KUBECONFIG: nothing was shown to an API server\n'
fi
[ "$failed" = 0 ] && printf 'the chart holds\n'
exit "$failed"
