#!/bin/sh
# What can be checked of deploy/ without a cluster; what cannot, deploy/README.md says. A check whose tool is
# not here is named and passed over.
#   QN_QUERN  the program; QN_SOURCE_DIR  the project
set -u
deploy=${QN_SOURCE_DIR:?set QN_SOURCE_DIR to the project}/deploy
failed=0
complain() {
    echo "FAILED: $*"
    failed=1
}
without() {
    echo "not checked: $*"
}

# The container file: nobody is root at the end, every base is pinned by version or digest, and nothing comes
# from a registry by name.
sed -n 's/^USER //p' "$deploy/Containerfile" | tail -n 1 | grep -qE '^[1-9][0-9]*(:[1-9][0-9]*)?$' ||
    complain "Containerfile: the last USER is a number that is not 0"
sed -n 's/^ARG BASE=//p' "$deploy/Containerfile" | grep -qE '(:[0-9]+\.[0-9]+[^ ]*|@sha256:)' ||
    complain "Containerfile: BASE is pinned"
if grep -nE '^FROM ' "$deploy/Containerfile" | grep -vE 'FROM \$\{BASE\}( AS [a-z]+)?$'; then
    complain "Containerfile: every stage begins with BASE"
fi
if grep -nE 'image: .*/|:latest' "$deploy"/*.yaml; then complain "images are plain names with a version"; fi

# Shell; `make check` reads it with shellcheck, and label slurm runs it.
bash -n "$deploy/quern.sbatch" || complain "quern.sbatch: bash -n"
for limit in nodes ntasks-per-node=1 cpus-per-task mem time requeue; do
    grep -q "^#SBATCH --$limit" "$deploy/quern.sbatch" || complain "quern.sbatch: #SBATCH --$limit"
done

# Options that the files use are there.
for option in $(cat "$deploy/quern.sbatch" "$deploy/mpijob.yaml" | grep -oE -- '(^|[ (])(- )?--(runs-dir|scratch|memory|threads|checkpoint-interval|resume|overwrite|split|model|input)\b' |
    grep -oE -- '--[a-z-]+' | sort -u); do
    "${QN_QUERN:?set QN_QUERN to the program}" fit als --help | grep -qE -- "^  $option\b" ||
        complain "fit als has no option $option"
done

# YAML: what the rules of this project ask of workers.
if python3 -c 'import yaml' 2>/dev/null; then
    python3 - "$deploy" <<'P' || complain "compose.yaml or mpijob.yaml"
import sys, yaml
compose = yaml.safe_load(open(sys.argv[1] + "/compose.yaml"))
for name, service in compose["services"].items():
    assert not service.get("ports"), f"{name} publishes ports"
    assert service.get("network_mode") != "host" and not service.get("privileged"), name
    assert "container_name" not in service and "hostname" not in service, f"{name} cannot be scaled"
    assert service["user"].split(":")[0] != "0" and service["cap_drop"] == ["ALL"], name
    limits = service["deploy"]["resources"]["limits"]
    assert limits["cpus"] and limits["memory"], f"{name} has no limits"
    mounts = {v.split(":")[1] if ":" in v else v: v for v in service["volumes"]}
    assert mounts["/data"].endswith(":ro") and mounts["/keys"].endswith(":ro"), f"{name} may write what it reads"
    assert not mounts["/runs"].endswith(":ro"), f"{name} cannot write records"
    assert mounts["/scratch"] == "/scratch", f"{name} shares its scratch with others"
    assert service["read_only"] is True and service["security_opt"], name
job = yaml.safe_load(open(sys.argv[1] + "/mpijob.yaml"))
assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v2beta1", "MPIJob")
replicas = job["spec"]["mpiReplicaSpecs"]
assert set(replicas) == {"Launcher", "Worker"}
for name, replica in replicas.items():
    pod = replica["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"], name
    assert not pod.get("hostNetwork"), name
    volumes = {v["name"] for v in pod["volumes"]}
    assert any(v["name"] == "scratch" and "emptyDir" in v for v in pod["volumes"]), f"{name} shares its scratch"
    for container in pod["containers"]:
        assert any(m["mountPath"] == "/data" and m.get("readOnly") for m in container["volumeMounts"]), name
        assert {"cpu", "memory"} <= set(container["resources"]["limits"]), name
        assert not any("hostPort" in p for p in container.get("ports", [])), name
        assert not container["securityContext"]["allowPrivilegeEscalation"], name
        assert {m["name"] for m in container["volumeMounts"]} <= volumes, name
keys = {line.split()[1].rsplit("/", 1)[0] for file in ("operator_ssh_config", "operator_sshd_config")
        for line in open(f"{sys.argv[1]}/{file}")
        if line.split()[:1] and line.split()[0] in ("IdentityFile", "HostKey", "AuthorizedKeysFile")}
assert keys == {job["spec"]["sshAuthMountPath"]}, f"keys are looked for in {keys}"
args = replicas["Launcher"]["template"]["spec"]["containers"][0]["args"]
assert args[args.index("-n") + 1] == str(replicas["Worker"]["replicas"]), "mpirun -n is the workers"
P
elif [ -n "${QN_REQUIRE_ALL:-}" ]; then
    complain "YAML: Python has no module yaml (make test installs python3-yaml)"
else
    without "YAML: Python has no module yaml (make test installs python3-yaml)"
fi
if command -v docker-compose >/dev/null 2>&1; then
    docker-compose -f "$deploy/compose.yaml" config -q || complain "docker-compose config"
elif docker compose version >/dev/null 2>&1; then
    docker compose -f "$deploy/compose.yaml" config -q || complain "docker compose config"
else
    without "compose.yaml by compose itself: docker-compose is not here"
fi

[ $failed -eq 0 ] || exit 1
echo "deploy: fine, as far as it can be checked here"
