#!/usr/bin/env bash
# Shows rendered objects to the API server of KUBECONFIG, which judges them and keeps none.
#
# dry-run.sh FILE. Namespaces and accounts come first and for real, since a dry run needs them; they go again at the end.
set -euo pipefail
file=$1
rename=chart-dry-run-$(basename "$file" .yaml)
work=$(mktemp -d)
made=()
finish() {
    [ "${#made[@]}" = 0 ] || kubectl delete namespace --ignore-not-found --timeout=120s "${made[@]}" >/dev/null
    rm -rf "$work"
}
trap finish EXIT

# Under names of its own, beside whatever is installed; a ServiceMonitor is known only where its operator is.
python3 - "$file" "$work" "$rename" <<'PY'
import pathlib, re, sys
text, work, prefix = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2]), sys.argv[3]
kind = lambda one: (re.search(r"^kind: (\w+)$", one, re.M) or [None, ""])[1]
names = sorted(set(re.findall(r"^  namespace: (\S+)$", text, re.M)))
objects = [one for one in re.split(r"^---$", text, flags=re.M) if kind(one) not in ("", "Namespace", "ServiceMonitor")]
for name in names:
    for at, one in enumerate(objects):
        objects[at] = re.sub(rf"^  namespace: {re.escape(name)}$", f"  namespace: {prefix}-{name}", one, flags=re.M)
(work / "objects.yaml").write_text("---".join(objects))
accounts = [one for one in objects if kind(one) == "ServiceAccount"]
(work / "accounts.yaml").write_text("---".join(accounts))
(work / "names").write_text("".join(f"{prefix}-{name}\n" for name in names))
PY
while read -r name; do
    kubectl create namespace "$name" >/dev/null
    made+=("$name")
    kubectl label namespace "$name" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
done <"$work/names"
kubectl apply -f "$work/accounts.yaml" >/dev/null
kubectl apply --dry-run=server -f "$work/objects.yaml" >"$work/said" 2>&1 || {
    cat "$work/said" >&2
    exit 1
}
# A warning tells of fields that go away, or of pods that admission will not let in.
if grep -i '^warning' "$work/said" >&2; then exit 1; fi
printf '%s: %s objects taken\n' "$(basename "$file")" "$(wc -l <"$work/said")"
