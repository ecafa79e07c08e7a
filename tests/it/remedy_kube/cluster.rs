//! A real control plane (etcd, kube-apiserver, kube-controller-manager; no kubelet), shared by the tests
//! that run at the same time.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Names the script that starts one.
pub const SCRIPT: &str = "SAGETOP_KUBE_LAB";

/// A running control plane; it ends with this.
pub struct Kube {
    script: PathBuf,
    folder: TempDir,
    pub kubeconfig: PathBuf,
    /// What is looked at again and again is asked for here: a kubectl each time would be most of the work.
    client: reqwest::Client,
    runtime: Runtime,
    server: String,
}

impl Kube {
    /// The one that runs, or a new one: it ends with its last user.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Kube>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let new = Arc::new(Self::start());
            *shared = Arc::downgrade(&new);
            new
        })
    }

    /// Starts one.
    pub fn start() -> Self {
        // Together they would look for free ports at the same time.
        static STARTING: Mutex<()> = Mutex::new(());
        let _one = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let started = (0..3).find_map(|_| Some(Self::attempt()).filter(Self::is_controlled));
        started.expect("no control plane whose controllers work")
    }

    fn attempt() -> Self {
        let script = std::env::var_os(SCRIPT).map(PathBuf::from).expect("SAGETOP_KUBE_LAB names the script");
        let folder = tempfile::tempdir().unwrap();
        let port = four_ports();
        let log = std::fs::File::create(folder.path().join("start.log")).unwrap();
        // Not a pipe: the servers inherit it, and it would never end.
        let output = folder.path().join("start.out");
        let status = Command::new(&script)
            .arg("start")
            .arg(folder.path())
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&output).unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let said = std::fs::read_to_string(folder.path().join("start.log")).unwrap();
        assert!(status.success(), "{said}");
        let kubeconfig = folder.path().join("kubeconfig");
        // Its certificate is its own.
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { script, folder, kubeconfig, client, runtime, server: format!("https://127.0.0.1:{port}") }
    }

    /// The administrator's answer to a request.
    fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let sent = request.bearer_auth("admintok").header("Content-Type", "application/json");
        let text = self.runtime.block_on(async { sent.send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The controllers end at once where they were started too early, and nobody starts them again.
    fn is_controlled(&self) -> bool {
        self.admin(&["create", "namespace", "warm-up"], "");
        self.apply(&deployment("warm-up", "warm-up", 1));
        (0..150).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            self.get("warm-up", "deployments.apps/warm-up")["status"]["replicas"] == 1
        })
    }

    /// kubectl as the administrator; its output.
    pub fn admin(&self, args: &[&str], stdin: &str) -> String {
        let (ok, out) = self.try_admin(args, stdin);
        assert!(ok, "{args:?}: {out}");
        out
    }

    /// The same, which may fail.
    pub fn try_admin(&self, args: &[&str], stdin: &str) -> (bool, String) {
        let mut child = Command::new("kubectl")
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(args)
            .env("KUBERC", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let ended = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.success(), text(&ended.stdout) + &text(&ended.stderr))
    }

    /// An object, or all of a kind.
    pub fn get(&self, namespace: &str, what: &str) -> Value {
        self.answer(self.client.get(format!("{}{}", self.server, path(namespace, what))))
    }

    pub fn apply(&self, object: &Value) {
        self.admin(&["apply", "-f", "-"], &object.to_string());
    }

    /// A namespace with deployments `web`, of two replicas, and `db` on the same machine, whose
    /// controller has seen them.
    pub fn shop(&self, namespace: &str) {
        self.admin(&["create", "namespace", namespace], "");
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [deployment(namespace, "web", 2), deployment(namespace, "db", 1)],
        }));
        self.replicas(namespace, 2);
    }

    /// The kubeconfig of a user with no rights but those that are bound to it.
    pub fn nobody(&self) -> PathBuf {
        let text = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let path = self.folder.path().join("kubeconfig.nobody");
        std::fs::write(&path, text.replace("admintok", "nobodytok")).unwrap();
        path
    }
}

impl Drop for Kube {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).arg("stop").arg(self.folder.path()).status();
    }
}

/// Where the API has an object, or all of a kind.
fn path(namespace: &str, what: &str) -> String {
    let (kind, name) =
        what.split_once('/').map_or((what, String::new()), |(kind, name)| (kind, format!("/{name}")));
    let (plural, group) = kind.split_once('.').unwrap_or((kind, ""));
    let root = match group {
        "" => "/api/v1".to_owned(),
        "keda.sh" => "/apis/keda.sh/v1alpha1".to_owned(),
        group => format!("/apis/{group}/v1"),
    };
    format!("{root}/namespaces/{namespace}/{plural}{name}")
}

/// The first of four free ports in a row, which the script takes.
fn four_ports() -> u16 {
    let listen = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let row = || {
        let first = listen(0).ok()?.local_addr().ok()?.port();
        let all: Result<Vec<_>, _> = (first..first.checked_add(4)?).map(listen).collect();
        all.ok().map(|_| first)
    };
    (0..100).find_map(|_| row()).expect("four free ports in a row")
}

/// A deployment on the only machine. Nobody waits for its pods to end, since no kubelet ends them.
pub fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    let labels = json!({ "app": name });
    let resources = json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "cpu": "200m", "memory": "128Mi" } });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "nodeName": "node-1",
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{ "name": name, "image": format!("{name}:1"), "resources": resources }],
                },
            },
        },
    })
}

/// An autoscaler of `web`, between two and six replicas. `kubectl autoscale` of today asks for a newer server.
pub fn autoscaler(namespace: &str) -> Value {
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 2,
            "maxReplicas": 6,
            "targetCPUUtilizationPercentage": 80,
        },
    })
}

/// A minimal definition of a kind that an operator would bring along.
pub fn definition(group: &str, version: &str, kind: &str) -> Value {
    let (singular, plural) = (kind.to_lowercase(), format!("{}s", kind.to_lowercase()));
    let schema =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // Asked of groups of Kubernetes' own.
            "annotations": { "api-approved.kubernetes.io": "unapproved, for a test" },
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "kind": kind, "singular": singular, "plural": plural },
            "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
        },
    })
}

/// Every kubectl that is installed: that of PATH, and those of other versions beside it.
pub fn kubectls() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|path| path.is_file());
    let first = found.expect("a kubectl in PATH");
    let beside = first.canonicalize().unwrap().parent().map(Path::to_owned).unwrap();
    let others = std::fs::read_dir(beside).unwrap().flatten().map(|entry| entry.path());
    let mut others: Vec<PathBuf> = others
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl.1.")))
        .collect();
    others.sort();
    others.insert(0, first);
    others
}

/// Waiting for controllers.
impl Kube {
    pub fn wait(&self, what: &str, ready: impl Fn() -> bool) {
        for _ in 0..600 {
            if ready() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("waited for {what}");
    }

    /// `web` is to have so many replicas, and its controller has seen to it.
    pub fn replicas(&self, namespace: &str, count: u32) {
        self.wait("replicas", || {
            let status = self.get(namespace, "deployments.apps/web")["status"].clone();
            status["replicas"] == count && status["updatedReplicas"] == count
        });
    }

    /// Back to two replicas, at rest.
    pub fn shop_again(&self, namespace: &str) {
        self.admin(&["scale", "-n", namespace, "deployments.apps/web", "--replicas=2"], "");
        self.at_rest(namespace);
    }

    /// No rollout is under way. Pods never run here, so that old ones are taken away by hand.
    pub fn at_rest(&self, namespace: &str) {
        self.wait("rest", || {
            let object = self.get(namespace, "deployments.apps/web");
            let (spec, status) = (&object["spec"]["replicas"], &object["status"]);
            // A status of before the change tells of rest that is over.
            let current = status["observedGeneration"] == object["metadata"]["generation"];
            if current && status["replicas"] == *spec && status["updatedReplicas"] == *spec {
                return true;
            }
            self.play_the_kubelet(namespace);
            false
        });
    }

    /// Makes all pods ready.
    pub fn play_the_kubelet(&self, namespace: &str) {
        let pods = self.get(namespace, "pods");
        for pod in pods["items"].as_array().unwrap() {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let ready =
                json!({ "type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z" });
            let file = format!("{}/status", path(namespace, &format!("pods/{name}")));
            let mut whole = pod.clone();
            // What is in a list does not say what it is.
            (whole["apiVersion"], whole["kind"]) = (json!("v1"), json!("Pod"));
            whole["status"] = json!({ "phase": "Running", "conditions": [ready] });
            // It may be gone or changed by now.
            self.answer(self.client.put(format!("{}{file}", self.server)).body(whole.to_string()));
        }
    }

    /// The quota counts so many pods.
    pub fn used_quota(&self, namespace: &str, pods: &str) {
        self.wait("the quota", || {
            self.get(namespace, "resourcequotas/small")["status"]["used"]["pods"] == pods
        });
    }
}
