# helm and kubeconform at fixed versions, fetched once; read by the scripts beside it, which stand in this folder.
# shellcheck shell=bash
HELM=v3.22.0 KUBECONFORM=v0.7.0
# shellcheck disable=SC2034  # read by run.sh
KUBERNETES=v1.34.4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bowsprit-ci
bin=$cache/helm-$HELM-kubeconform-$KUBECONFORM

# Puts both on PATH.
tools() {
    PATH=$PATH:/usr/local/go/bin
    mkdir -p "$bin"
    [ -x "$bin/helm" ] || CGO_ENABLED=0 GOBIN=$bin go install "helm.sh/helm/v3/cmd/helm@$HELM"
    [ -x "$bin/kubeconform" ] || GOBIN=$bin go install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
    PATH=$bin:$PATH
}
