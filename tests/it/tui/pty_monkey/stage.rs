//! Where the monkey is let loose: a lab in which something is wrong, two contexts that look at it, and a kubectl and
//! an ssh that write down what they are asked for.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A fault of long standing, so that there is a verdict at once.
const FAULT: &str =
    "[[fault]]\nkind = \"latent\"\nservice = \"chain-1\"\nbefore = \"8m\"\nfor = \"3h\"\nintensity = 1.0\n";

/// A lab, and a configuration whose kubectl and ssh write down what they are asked for.
pub struct Stage {
    lab: Child,
    folder: TempDir,
}

impl Stage {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("faults.toml"), FAULT).unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_sagetop"))
            .args(["lab", "--json", "--app", "chain-2", "--history", "80m"])
            .args(["--prometheus-port", "0", "--jaeger-port", "0", "--control-port", "0"])
            .args(["--faults".as_ref(), path("faults.toml").as_os_str()])
            .args(["--stand-ins".as_ref(), path("bin").as_os_str()])
            .args(["--write-config".as_ref(), path("lab.toml").as_os_str()])
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(lab.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("sagetop.lab/1"), "{line}");
        std::fs::create_dir(path("front")).unwrap();
        for name in ["kubectl", "ssh"] {
            let (real, log) = (path("bin").join(name), path("argv.log"));
            let text = format!(
                "#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> '{}'\nexec '{}' \"$@\"\n",
                log.display(),
                real.display()
            );
            std::fs::write(path("front").join(name), text).unwrap();
            std::fs::set_permissions(path("front").join(name), Permissions::from_mode(0o755)).unwrap();
        }
        let config = std::fs::read_to_string(path("lab.toml")).unwrap();
        let front = config
            .replace(
                path("bin").join("kubectl").to_str().unwrap(),
                path("front").join("kubectl").to_str().unwrap(),
            )
            .replace(path("bin").join("ssh").to_str().unwrap(), path("front").join("ssh").to_str().unwrap());
        assert_ne!(front, config);
        // A second context, by another name the same.
        let sections = front.lines().position(|line| line.starts_with("[contexts.lab]")).unwrap();
        let of_lab = |line: &&str| !line.starts_with("[windows]");
        let first: Vec<&str> = front.lines().skip(sections).take_while(of_lab).collect();
        let remedy: Vec<&str> = front.lines().skip_while(|line| *line != "[contexts.lab.remedy]").collect();
        let other = format!("{}\n{}\nkube_context = \"lab\"\n", first.join("\n"), remedy.join("\n"));
        let front = front + "\n" + &other.replace("contexts.lab", "contexts.other");
        std::fs::write(path("config.toml"), front).unwrap();
        Self { lab, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A subcommand of sagetop, or its screens.
    pub fn words(&self, command: &[&str]) -> Vec<String> {
        let place = |name: &str| self.path(name).display().to_string();
        let mut words =
            vec!["--config".to_owned(), place("config.toml"), "--state-dir".to_owned(), place("state")];
        words.extend(["--context".to_owned(), "lab".to_owned()]);
        words.extend(command.iter().map(|word| (*word).to_owned()));
        words
    }

    /// The specifications of everything that an action could change, and the leases.
    pub fn cluster(&self) -> String {
        let mut all = String::new();
        for kinds in
            ["deployments.apps,statefulsets.apps", "horizontalpodautoscalers.autoscaling", "pods", "leases"]
        {
            let got = Command::new(self.path("bin").join("kubectl"))
                .args(["get", kinds, "-A", "-o", "json"])
                .env("KUBECONFIG", self.path("bin").join("kubeconfig"))
                .output()
                .unwrap();
            let list: serde_json::Value =
                serde_json::from_slice(&got.stdout).unwrap_or_else(|_| panic!("{got:?}"));
            for item in list["items"].as_array().unwrap() {
                let metadata = &item["metadata"];
                writeln!(
                    all,
                    "{} {} {} {} {}",
                    item["kind"],
                    metadata["name"],
                    metadata["generation"],
                    metadata["annotations"],
                    item["spec"]
                )
                .unwrap();
            }
        }
        assert!(all.contains("chain-1"), "{all}");
        all
    }

    /// Every command so far, without what each has in common.
    pub fn commands(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("argv.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.lab.kill();
        let _ = self.lab.wait();
    }
}

/// Whether a command changes nothing.
pub fn only_reads(command: &str) -> bool {
    let words: BTreeSet<&str> = command.split(' ').collect();
    let has = |word: &str| words.contains(word);
    let verb =
        ["scale", "patch", "annotate", "create", "delete", "apply", "replace", "edit", "label", "exec"];
    let writes = verb.iter().any(|verb| has(verb)) && !(has("auth") && has("can-i"));
    command.starts_with("kubectl ") && (!writes || has("--dry-run=server"))
}

/// Else the test above could not fail.
#[test]
fn what_writes_is_told_from_what_reads() {
    for (command, reads) in [
        ("kubectl -n shop get deployments.apps/web -o json", true),
        ("kubectl -n shop auth can-i patch deployments.apps/web", true),
        ("kubectl -n shop scale deployments.apps/web --dry-run=server --replicas=3", true),
        ("kubectl -n shop scale deployments.apps/web --dry-run=none --replicas=3", false),
        ("kubectl -n shop create -f - --dry-run=none", false),
        ("ssh -- node-1 sudo -n sh", false),
    ] {
        assert_eq!(only_reads(command), reads, "{command}");
    }
}
