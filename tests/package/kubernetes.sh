# shellcheck shell=bash
# The manifests: valid against Kubernetes' own schemas, right among themselves, and what they put into a pod starts the service. The schemas
# are made of the API server's OpenAPI documents, which kubectl-validate carries.
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
pod=$work/pod
schemas=build/kubernetes/schemas
seconds_to_download=300

kubectl_validate=sigs.k8s.io/kubectl-validate@v0.0.4
kubectl_validate_sum="h1:tGKuv0awYHn11Cb6KPsZKxUmHgavF46K3NvVH0Nse9U="
kubernetes_version=1.30

# go.mod beside the scripts pins kubeconform.
get_kubeconform() {
    export GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0
    timeout "$seconds_to_download" go -C tests/package/kubernetes build -o "$PWD/build/kubernetes/kubeconform" github.com/yannh/kubeconform/cmd/kubeconform
}

get_schemas() {
    local module directory
    module=$(GOTOOLCHAIN=local timeout "$seconds_to_download" go mod download -json "$kubectl_validate") || return
    [[ $module == *"\"$kubectl_validate_sum\""* ]] || return
    directory=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$module")
    rm -rf "$schemas"
    /usr/bin/python3 tests/package/kubernetes/schemas.py "$directory/pkg/openapiclient/builtins/$kubernetes_version" "$schemas"
}

is_valid() {
    build/kubernetes/kubeconform -strict -summary -schema-location "$schemas/{{.ResourceKind}}{{.KindSuffix}}.json" config/kubernetes
}

# What kubeconform would let through if it checked nothing.
is_refused() {
    sed 's/readinessProbe:/readynessProbe:/' config/kubernetes/deployment.yaml >"$work/wrong.yaml"
    ! build/kubernetes/kubeconform -strict -schema-location "$schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$work/wrong.yaml"
}

is_consistent() {
    /usr/bin/python3 tests/package/kubernetes/manifests.py check config/kubernetes
}

# make_secret DIRECTORY FILE...: as the kubelet does, with fsGroup and the mode 0440: links to links, in a directory that all may write.
make_secret() {
    local directory=$1 revision file
    shift
    revision=..$(date +%N)
    mkdir -p "$directory/$revision"
    for file; do
        install -o root -g 10001 -m 440 "$file" "$directory/$revision/"
        ln -sfn "..data/${file##*/}" "$directory/${file##*/}"
    done
    ln -sfn "$revision" "$directory/..data.new"
    mv -T "$directory/..data.new" "$directory/..data"
    chown root:10001 "$directory"
    chmod 3777 "$directory"
}

make_keys() {
    mkdir -p "$work/keys-source"
    "$BUILD/jwtd" --set "token.keys_dir=$work/keys-source/keys" --set "token.refresh_key_file=$work/keys-source/refresh.key" "$@"
}

# In a configuration of the ConfigMap with the port and the issuer of the test.
make_pod() {
    mkdir -p "$pod/keys" "$pod/refresh-key" "$pod/services"
    /usr/bin/python3 tests/package/kubernetes/manifests.py config config/kubernetes >"$pod/jwtd.conf"
    chmod 644 "$pod/jwtd.conf"
    "$BUILD/jwtd" --config "$pod/jwtd.conf" check-config
    make_keys keygen --algorithm es256
    make_secret "$pod/keys" "$work/keys-source/keys/"*
    make_secret "$pod/refresh-key" "$work/keys-source/refresh.key"
}

published_keys() {
    curl -fsS --max-time 10 "http://127.0.0.1:$image_port/.well-known/jwks.json" | grep -o '"kid"' | wc -l
}

# The kubelet exchanges ..data, and the service, whose mount is read-only, follows.
serves_with_secrets() {
    mounts=("$pod:/etc/jwtd")
    start_image "JWTD_DATABASE_URL=$url"
    [[ $(published_keys) -eq 1 ]]
    make_keys key add
    make_secret "$pod/keys" "$work/keys-source/keys/"*
    for ((rounds = 100; rounds > 0; rounds--)); do
        [[ $(published_keys) -ne 2 ]] || break
        sleep 0.1
    done
    stop_image
    [[ $rounds -gt 0 ]]
}

# The reason for enableServiceLinks: false, which manifests.py checks.
refuses_service_links() {
    ! JWTD_PORT=tcp://10.0.0.1:80 "$BUILD/jwtd" check-config
}

mkdir -p build/kubernetes
if ! command -v go >/dev/null || ! is_version 1.24 "$(go env GOVERSION | sed 's/^go//')"; then
    skip "kubeconform needs go 1.24"
elif ! { (get_kubeconform) && get_schemas; } >"$work/kubeconform" 2>&1; then
    [[ ${CI-} != true ]] || cat "$work/kubeconform"
    skip "kubeconform cannot be had: the Go proxy does not answer"
else
    expect "each manifest is one that the API server accepts" is_valid
    expect "a misspelt member is one that it refuses" is_refused
fi
expect "selectors, names and ports agree, and the times fit into terminationGracePeriodSeconds" is_consistent
expect "the variables of a Service named jwtd would stop the service from starting" refuses_service_links
if [[ ! -d $work/tree ]]; then
    skip "the image was not assembled: PARTS=\"image kubernetes\""
else
    expect "the settings of the ConfigMap are right, and there are keys" make_pod
    expect "with mounted secrets the service serves, and follows their exchange without a restart" serves_with_secrets
fi
