#!/usr/bin/env bash
# Installs the chart in the cluster of KUBECONFIG and plays what an operator does: install, check, upgrade, make a token, remove.
#
# Then the main job is played in it, from a push to production and back: story.py.
#
# install.sh BOWSPRIT IMAGE AGENT_IMAGE BASE_IMAGE BUILDER_IMAGE
#   BOWSPRIT     the executable, for the GitHub stand-in on this machine
#   IMAGE        the bot's image, name:tag; the other three by digest
# BASE_IMAGE and BUILDER_IMAGE lie in the registry that images are pushed to, named as pods reach it; it may speak plain HTTP.
# HOST_ADDRESS is where pods reach this machine (default: KTB_HOST_IP). Needs go, kubectl, openssl, socat, curl, python3.
set -euo pipefail
bowsprit=$1 image=$2 agent_image=$3 base_image=$4 builder_image=$5
registry=${builder_image%%/*}
host=${HOST_ADDRESS:-${KTB_HOST_IP:?}}
cd "$(dirname "$0")"
. ./tools.sh
tools
ns=${NAMESPACE:-chart-install}
work=$(mktemp -d)
pids=()
k() { kubectl --namespace "$ns" "$@"; }
say() { printf '%s: %s\n' "$ns" "$*"; }
finish() {
    local status=$?
    if [ "$status" != 0 ]; then
        say 'it failed; the cluster says:'
        k get pods,pvc 2>&1 | sed 's/^/  /'
        k logs "deployment/bowsprit" --tail=20 2>&1 | sed 's/^/  /'
        tail -n 5 "$work"/*.log | sed 's/^/  /'
    fi
    helm --namespace "$ns" uninstall bowsprit --wait >/dev/null 2>&1 || true
    kubectl delete namespace --ignore-not-found --timeout=120s "$ns" "$ns"-{training,untrusted,build,environments} >/dev/null 2>&1 || true
    kubectl delete pv --ignore-not-found "$ns" >/dev/null 2>&1 || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

# A GitHub of this machine, behind HTTPS with an authority of its own.
port=18443
"$bowsprit" demo --write-config --state "$work/demo" >/dev/null
# The stand-in tells of no events unless it is told of them.
python3 - "$work/demo/hub.json" ../../app.yml <<'PY'
import json, re, sys
hub, manifest = sys.argv[1:3]
app = open(manifest).read()
world = json.load(open(hub))
world["app"]["events"] = re.findall(r"^  - (\w+)$", app, re.M)
world["app"]["permissions"] = dict(re.findall(r"^  (\w+): (read|write)", app, re.M))
json.dump(world, open(hub, "w"))
PY
hub() { python3 -c 'import json,sys; print(eval("json.load(open(sys.argv[1]))"+sys.argv[2]))' "$work/demo/hub.json" "$1"; }
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=hub -keyout "$work/hub.key" 2>/dev/null |
    openssl x509 -req -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 1 -out "$work/hub.crt" \
        -extfile <(echo "subjectAltName=IP:$host") 2>/dev/null
socat "OPENSSL-LISTEN:$port,bind=$host,fork,reuseaddr,cert=$work/hub.crt,key=$work/hub.key,verify=0" \
    "TCP:127.0.0.1:$(hub "['port']")" >"$work/socat.log" 2>&1 &
pids+=($!)
"$bowsprit" hub --config "$work/demo/hub.json" >"$work/hub.log" 2>&1 &
hub_pid=$!
pids+=("$hub_pid")

# What the operator makes: the namespace, held to the restricted standard too, the secrets, and here a volume by hand.
kubectl create namespace "$ns" >/dev/null
kubectl label namespace "$ns" pod-security.kubernetes.io/enforce=restricted >/dev/null
k create secret generic bowsprit-github --from-file=private-key.pem="$work/demo/app.pem" --from-file=webhook-secret="$work/demo/webhook-secret" >/dev/null
k create configmap hub-ca --from-file=ca.crt="$work/ca.crt" >/dev/null
mkdir -m 777 "$work/volume"
chmod 711 "$work"
kubectl apply -f - >/dev/null <<<"{apiVersion: v1, kind: PersistentVolume, metadata: {name: $ns}, spec: {capacity: {storage: 5Gi},
    accessModes: [ReadWriteOnce], storageClassName: $ns, persistentVolumeReclaimPolicy: Retain, local: {path: $work/volume},
    nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}]}}}}"
cat >"$work/values.yaml" <<YAML
image: {repository: "${image%:*}", tag: "${image##*:}", pullPolicy: Always}
config:
  public_url: http://to.be.told
  github: {app_id: 1, api_url: "https://$host:$port", git_url: "https://$host:$port"}
  cluster: {agent_image: "$agent_image", base_image: "$base_image"}
  images: {registry: "$registry", repository_prefix: "test/$ns", builder_image: "$builder_image", insecure_registries: "$registry"}
  reconcile: {every: 5s}
  limits: {disk_free_percent: 0}
github: {ca: {configMap: hub-ca}}
state: {size: 5Gi, storageClass: $ns, keep: false}
resources: {requests: {cpu: 50m, memory: 128Mi}, limits: {memory: 512Mi}}
admissionPolicy: {enabled: true, images: ["${agent_image%%/*}/", "$registry/"]}
${MORE_VALUES:-}
YAML
say 'the API server takes it as a dry run'
helm install bowsprit ../../helm --namespace "$ns" -f "$work/values.yaml" --dry-run=server >/dev/null
say 'installed'
helm install bowsprit ../../helm --namespace "$ns" -f "$work/values.yaml" --wait --timeout 3m >"$work/notes.txt"

say 'the API server takes what else can be turned on'
# A ServiceMonitor is known where its operator is.
helm template bowsprit ../../helm --namespace "$ns" --validate -f "$work/values.yaml" --set rbac.environments=each \
    --set ingress.enabled=true,ingress.host=bowsprit.example.org,ingress.tlsSecret=bowsprit-tls \
    --set-json 'tolerations=[{"key":"bots","operator":"Exists"}],podAnnotations={"example.org/team":"ml"}' |
    kubectl apply --server-side --force-conflicts --dry-run=server -f - >/dev/null

say 'upgraded to its address'
address=http://$(k get service bowsprit -o jsonpath='{.spec.clusterIP}'):8080
sed -i "s|http://to.be.told|$address|" "$work/values.yaml"
before=$(k get pods -l app.kubernetes.io/component=bot -o jsonpath='{.items[0].metadata.uid}')
helm upgrade bowsprit ../../helm --namespace "$ns" -f "$work/values.yaml" --wait --timeout 3m >/dev/null
k rollout status deployment/bowsprit --timeout=120s >/dev/null
after=$(k get pods -l app.kubernetes.io/component=bot -o jsonpath='{.items[*].metadata.uid}')
[ "$before" != "$after" ] || { say 'a changed configuration did not start the bot anew'; exit 1; }
# A pod that is ready is reached through its Service a little later; until then whoever is behind the default route may
# answer for that address, and says 404.
answers() {
    for path in healthz readyz; do curl -fsS --retry 30 --retry-all-errors --retry-delay 1 -o /dev/null "$address/$path"; done
}
answers

say 'the hub sends to it'
kill "$hub_pid" && wait "$hub_pid" 2>/dev/null || true
sed -i "s|\"url\": \"http://127.0.0.1:[0-9]*/webhook\"|\"url\": \"$address/webhook\"|" "$work/demo/hub.json"
"$bowsprit" hub --config "$work/demo/hub.json" >"$work/hub.log" 2>&1 &
pids+=($!)
curl -fsS --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$(hub "['port']")/_hub/health" >/dev/null 2>&1 || true

say 'the doctor, as the bot'
# Python is not in the image, and the registry of a test bed may speak plain HTTP: no more than these may be wrong.
helm --namespace "$ns" test bowsprit >/dev/null 2>&1 || true
k logs bowsprit-doctor
k logs bowsprit-doctor | grep -q "^ok  *rights in $ns-training" || { say 'the doctor did not see the rights'; exit 1; }
if k logs bowsprit-doctor | grep '^problem' | grep -v '^problem  \(python\|registry\) '; then exit 1; fi

# The pod is the bot's own, with other words.
say 'a first token, while the bot is away'
k scale deployment/bowsprit --replicas=0 >/dev/null
k wait --for=delete pod -l app.kubernetes.io/component=bot --timeout=120s >/dev/null
k get deployment bowsprit -o json | python3 -c '
import json, sys
spec = json.load(sys.stdin)["spec"]["template"]["spec"]
spec["restartPolicy"] = "Never"
bot = spec["containers"][0]
bot["args"] = ["token", "create", "ops", "--scope", "admin", "--config", "/etc/bowsprit/config/bowsprit.toml"]
for probe in ("startupProbe", "livenessProbe", "readinessProbe"): bot.pop(probe)
print(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first-token"}, "spec": spec}))' | k create -f - >/dev/null
k wait --for=jsonpath='{.status.phase}'=Succeeded pod/first-token --timeout=120s >/dev/null
token=$(k logs first-token | grep -o 'bsp_[A-Za-z0-9_]*' | head -n 1)
k delete pod first-token >/dev/null
k scale deployment/bowsprit --replicas=1 >/dev/null
k rollout status deployment/bowsprit --timeout=120s >/dev/null
answers
BOWSPRIT_TOKEN=$token "$bowsprit" --server "$address" get runs >/dev/null

say 'a step may ask for more cores than others are given'
kubectl --namespace "$ns-training" create --dry-run=server -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: two-cores}
spec:
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: step
      image: $base_image
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      resources: {requests: {cpu: "2", memory: 64Mi}, limits: {memory: 64Mi}}
YAML

say 'a Job of other images is refused, whoever makes it'
if kubectl --namespace "$ns-training" create job other --image=registry.example.org/other --dry-run=server >/dev/null 2>"$work/refused"; then
    say 'the admission policy let it in'
    exit 1
fi
grep -q 'named by digest\|set automountServiceAccountToken' "$work/refused" || { cat "$work/refused"; exit 1; }

say 'from a push to production and back'
./story.py --hub "$work/demo/hub.json" --hub-url "http://127.0.0.1:$(hub "['port']")" --bot "$address" --token "$token" \
    --pair ../it/pair --namespace "$ns" --registry "$registry"
compgen -G "$work/volume/mirrors/*.git" >/dev/null || { say 'nothing was fetched by git'; exit 1; }
# No right but those of the Role: each refusal of the API server would be told in the log.
if k logs deployment/bowsprit | grep -i 'forbidden\|lacks the right'; then exit 1; fi
if [ -n "${AUDIT_LOG:-}" ]; then
    say 'the audit log against the Role'
    grep -F "\"system:serviceaccount:$ns:bowsprit\"" "$AUDIT_LOG" >"$work/audit.jsonl"
    cp "$work/audit.jsonl" "${AUDIT_OUT:-/dev/null}"
    (cd ../.. && BOWSPRIT_AUDIT_LOG=$work/audit.jsonl BOWSPRIT_AUDIT_USER="system:serviceaccount:$ns:bowsprit" cargo test -q --test rights -- --nocapture)
fi
say 'removed; environments and training stay until their namespaces go'
helm --namespace "$ns" uninstall bowsprit --wait >/dev/null
kubectl get namespace "$ns-training" >/dev/null
say 'the chart installs'
