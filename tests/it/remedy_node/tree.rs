//! A machine's files in a folder of their own, with programs that do to them what the kernel and systemd
//! do to the real ones, and the script run on it by a real shell.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sagetop::remedy::node::script::SCRIPT;
use tempfile::TempDir;

/// The container whose processes are limited.
pub const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Its pod.
pub const POD: &str = "5c1f2a10-93f1-4a5e-8e0b-6f2f7c0b1d11";

/// What a script said, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A machine's files.
pub struct Tree {
    folder: TempDir,
    shell: &'static str,
    /// A process in whose network namespace the script runs.
    namespace: Option<u32>,
}

/// The container's cgroup.
pub fn cgroup() -> String {
    let slice = POD.replace('-', "_");
    format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{CONTAINER}.scope"
    )
}

impl Tree {
    /// A machine with a cache of twelve ways in two domains and one container of four threads.
    pub fn new() -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap(), shell: "sh", namespace: None };
        for (path, text) in [
            ("sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=fff;1=fff\n"),
            ("sys/fs/resctrl/mode", "shareable\n"),
            ("sys/fs/resctrl/tasks", ""),
            ("sys/fs/resctrl/info/last_cmd_status", "ok\n"),
            ("sys/fs/resctrl/info/L3/cbm_mask", "fff\n"),
            ("sys/fs/resctrl/info/L3/min_cbm_bits", "1\n"),
            ("sys/fs/resctrl/info/L3/num_closids", "8\n"),
            ("sys/fs/resctrl/info/L3/shareable_bits", "0\n"),
            ("sys/fs/resctrl/info/MB/bandwidth_gran", "10\n"),
            ("sys/fs/resctrl/info/MB/min_bandwidth", "10\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
            ("var/lib/kubelet/cpu_manager_state", "{\"policyName\":\"none\",\"defaultCpuSet\":\"\"}\n"),
            ("proc/cpuinfo", "vendor_id\t: GenuineIntel\n"),
            ("proc/filesystems", "nodev\tresctrl\n"),
            ("proc/mounts", "resctrl /sys/fs/resctrl resctrl rw,relatime 0 0\n"),
            ("refuse", ""),
            ("timers/.keep", ""),
            ("run/.keep", ""),
        ] {
            tree.put(path, text);
        }
        for (file, text) in
            [("cgroup.threads", "11\n12\n13\n14\n"), ("cpu.max", "200000 100000\n"), ("io.max", "")]
        {
            tree.put(&tree.seat(file), text);
        }
        tree
    }

    /// The same with another shell.
    pub fn with_shell(shell: &'static str) -> Self {
        Self { shell, ..Self::new() }
    }

    /// The same in the network namespace of a process.
    pub fn in_namespace(process: u32) -> Self {
        Self { namespace: Some(process), ..Self::new() }
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the container's cgroup.
    pub fn seat(&self, file: &str) -> String {
        format!("sys/fs/cgroup{}/{file}", cgroup())
    }

    /// Writes a file, with the folders above it.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A file's text; empty if there is none.
    pub fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, path: &str) -> bool {
        self.root().join(path).exists()
    }

    /// Names in a folder.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root().join(path)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".keep");
        names.sort();
        names
    }

    /// Whether nothing is where a machine has nothing that was not changed.
    pub fn is_untouched(&self) -> bool {
        self.names("sys/fs/resctrl") == ["info", "mode", "schemata", "tasks"]
            && self.text("sys/fs/resctrl/schemata") == Self::new().text("sys/fs/resctrl/schemata")
            && self.text(&self.seat("cpu.max")) == "200000 100000\n"
            && self.text(&self.seat("io.max")).is_empty()
            && self.names("timers").is_empty()
    }

    fn bin() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node/bin")
    }

    fn environment(&self, command: &mut Command, tools: &[PathBuf]) {
        let path = std::env::join_paths(tools).unwrap();
        command.env_clear().env("PATH", path).env("SAGETOP_TREE", self.root());
    }

    /// Where its programs are: those that do what the kernel and systemd do, then the real ones.
    pub fn tools() -> Vec<PathBuf> {
        vec![Self::bin(), "/usr/sbin".into(), "/usr/bin".into(), "/bin".into()]
    }

    /// Starts the script with these words.
    pub fn start(&self, words: &[&str]) -> Child {
        self.start_with(words, &Self::tools())
    }

    /// The same with programs from these folders only.
    pub fn start_with(&self, words: &[&str], tools: &[PathBuf]) -> Child {
        let mut command = match self.namespace {
            None => Command::new(format!("/bin/{}", self.shell)),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.args(["-n", "-t", &process.to_string(), &format!("/bin/{}", self.shell)]);
                command
            }
        };
        self.environment(&mut command, tools);
        command.args(["-s", "--"]).arg(self.root()).args(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
        child
    }

    /// Runs the script with these words.
    pub fn run(&self, words: &[&str]) -> Ran {
        ended(self.start(words))
    }

    /// A change of the group with the container's cache ways.
    pub fn ways(&self, op: &str, before: &str, after: &str) -> Ran {
        self.run(&["resctrl", "apply", op, "sagetop-x", &cgroup(), CONTAINER, POD, before, after])
    }

    /// Its inverse.
    pub fn ways_undo(&self, op: &str, of: &str, before: &str, after: &str) -> Ran {
        self.run(&["resctrl", "undo", op, of, "sagetop-x", before, after])
    }

    /// A change of a file of the container's cgroup.
    pub fn limit(&self, op: &str, file: &str, before: &str, after: &str, unit: &str) -> Ran {
        self.run(&["cgroup", "apply", op, file, &cgroup(), CONTAINER, POD, before, after, unit])
    }

    /// Its inverse.
    pub fn limit_undo(&self, op: &str, of: &str, file: &str, before: &str, after: &str, unit: &str) -> Ran {
        self.run(&["cgroup", "undo", op, of, file, &cgroup(), CONTAINER, POD, before, after, unit])
    }

    /// Time passes: what was scheduled for this operation runs as it was scheduled.
    pub fn fire(&self, op: &str) -> Ran {
        let timer = format!("timers/sagetop-revert-{op}");
        let words = self.text(&timer);
        std::fs::remove_file(self.root().join(&timer)).unwrap();
        let mut words = words.lines();
        let mut command = match self.namespace {
            None => Command::new(words.next().unwrap()),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.args(["-n", "-t", &process.to_string()]);
                command
            }
        };
        self.environment(&mut command, &Self::tools());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ended(command.spawn().unwrap())
    }
}

/// Waits for a script.
pub fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
