"""manifests.py check DIRECTORY: whether the manifests agree with each other; prints what does not.
manifests.py config DIRECTORY: prints the configuration that the ConfigMap holds."""

import configparser
import ipaddress
import pathlib
import sys

import yaml

# made by hand, as secret.yaml says
MADE_BY_HAND = {"jwtd-keys", "jwtd-refresh-key", "jwtd-services"}
SPARE_SECONDS = 5
# docs/operators.md, "The database's connections"
FURTHER_CONNECTIONS = 3
# max_connections - superuser_reserved_connections, of PostgreSQL's defaults
CONNECTIONS_OF_POSTGRESQL = 97


def read(directory):
    found = {}
    for path in sorted(pathlib.Path(directory).glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def pods(manifests):
    for document in manifests.values():
        if "template" in document.get("spec", {}):
            yield document, document["spec"]["template"]


def seconds(text):
    return float(text.removesuffix("s"))


def settings(manifests):
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(manifests["ConfigMap", "jwtd"]["data"]["jwtd.conf"])
    return config


def check_pod(manifests, owner, template):
    spec, labels = template["spec"], template["metadata"]["labels"]
    if "selector" in owner["spec"]:
        yield "its selector does not match its pods", owner["spec"]["selector"]["matchLabels"].items() <= labels.items()
    yield "enableServiceLinks must be false", spec.get("enableServiceLinks") is False
    yield "it must not be root", spec["securityContext"]["runAsNonRoot"]
    for container in spec["containers"]:
        yield "its root file system must be read-only", container["securityContext"]["readOnlyRootFilesystem"]
        yield "it must have no capabilities", container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        yield "it must have limits", {"cpu", "memory"} <= container["resources"]["limits"].keys()
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                yield probe + " asks a port that there is not", container[probe]["httpGet"]["port"] in ports
                is_reason_to_restart = probe != "readinessProbe"
                yield probe + " must ask the operator's listener", not is_reason_to_restart or container[probe]["httpGet"]["port"] == "ops"
        for variable in container.get("env", []):
            reference = variable["valueFrom"]["secretKeyRef"]
            secret = manifests.get(("Secret", reference["name"]), {})
            yield "no " + reference["name"] + "." + reference["key"], reference["key"] in secret.get("stringData", {})
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        yield "volumes and mounts differ", volumes == {mount["name"] for mount in container.get("volumeMounts", [])}
    for volume in spec.get("volumes", []):
        name = volume.get("secret", {}).get("secretName")
        yield f"there is no secret {name}", name is None or name in MADE_BY_HAND or ("Secret", name) in manifests
        name = volume.get("configMap", {}).get("name")
        yield f"there is no ConfigMap {name}", name is None or ("ConfigMap", name) in manifests


def check_selection(manifests, name, selector):
    labels = manifests["Deployment", "jwtd"]["spec"]["template"]["metadata"]["labels"]
    yield name + " selects other pods", selector.items() <= labels.items()


def check_times(manifests):
    spec = manifests["Deployment", "jwtd"]["spec"]["template"]["spec"]
    server = settings(manifests)["server"]
    needed = seconds(server.get("shutdown_grace", "30s")) + seconds(server.get("drain_delay", "0s")) + SPARE_SECONDS
    needed += spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    yield f"terminationGracePeriodSeconds is less than {needed}", spec["terminationGracePeriodSeconds"] >= needed


def check_mounts(manifests):
    """What the ConfigMap names must be mounted."""
    container = manifests["Deployment", "jwtd"]["spec"]["template"]["spec"]["containers"][0]
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    config = settings(manifests)
    named = config["token"]["keys_dir"], config["token"]["refresh_key_file"], config["services"]["credentials_file"]
    for path in named:
        yield path + " is not mounted", any(path == mount or path.startswith(mount + "/") for mount in paths)


def check_connections(manifests):
    """With all replicas, a rollout's surge and the Job that migrates."""
    replicas = manifests["HorizontalPodAutoscaler", "jwtd"]["spec"]["maxReplicas"]
    surge = manifests["Deployment", "jwtd"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    each = int(settings(manifests)["database"]["connections"]) + FURTHER_CONNECTIONS
    needed = (replicas + surge) * each + 1
    yield f"{needed} connections are more than PostgreSQL has", needed <= CONNECTIONS_OF_POSTGRESQL
    comment = manifests["ConfigMap", "jwtd"]["data"]["jwtd.conf"]
    yield f"the comment on connections does not say {needed}", f" = {needed}, of the {CONNECTIONS_OF_POSTGRESQL} " in comment


def check_trust(manifests):
    """Where a network is trusted, one kind of pods of one namespace may connect to the port for clients: those of the proxy."""
    proxies = settings(manifests)["server"].get("trusted_proxies", "").split()
    networks = [network for network in map(ipaddress.ip_network, proxies) if network.num_addresses > 1]
    if networks:
        rules = manifests["NetworkPolicy", "jwtd"]["spec"]["ingress"]
        peers = [peer for rule in rules if rule.get("ports") != [{"port": "ops"}] for peer in rule.get("from", [{}])]
        selectors = [peer.get(name, {}).get("matchLabels") for peer in peers for name in ("namespaceSelector", "podSelector")]
        yield "more than the proxy may connect, and trusted is " + str(networks[0]), len(peers) == 1 and all(selectors)


def check(manifests):
    for owner, template in pods(manifests):
        for what, is_right in check_pod(manifests, owner, template):
            yield f"{owner['kind']}: {what}", is_right
    yield from check_selection(manifests, "the Service", manifests["Service", "jwtd"]["spec"]["selector"])
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        spec = manifests[kind, "jwtd"]["spec"]
        yield from check_selection(manifests, kind, (spec.get("selector") or spec["podSelector"])["matchLabels"])
    target = manifests["HorizontalPodAutoscaler", "jwtd"]["spec"]["scaleTargetRef"]
    yield "the autoscaler scales nothing", (target["kind"], target["name"]) in manifests
    yield from check_times(manifests)
    yield from check_mounts(manifests)
    yield from check_connections(manifests)
    yield from check_trust(manifests)


def main(command, directory):
    manifests = read(directory)
    if command == "config":
        print(manifests["ConfigMap", "jwtd"]["data"]["jwtd.conf"], end="")
        return 0
    wrong = [what for what, is_right in check(manifests) if not is_right]
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
