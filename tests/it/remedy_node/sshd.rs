//! A real sshd on loopback: its own keys, a port of its own, and one command that everybody who logs in
//! gets, which runs what was asked for on a fixture tree.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sagetop::remedy::Step;
use sagetop::remedy::names::{Host, User};
use sagetop::remedy::node::ssh::{Ending, Login, ending};
use tempfile::TempDir;

use crate::remedy_node::tree::Tree;

/// sshd insists on being started by its absolute path.
const SSHD: &str = "/usr/sbin/sshd";

/// A server, and a client's configuration that knows it.
pub struct Sshd {
    folder: TempDir,
    child: Child,
    port: u16,
    /// Who logs in.
    user: String,
}

/// Whether there is a server to be had; says so if not, and fails where it has to be.
pub fn installed() -> bool {
    let there = Path::new(SSHD).exists() && Command::new("ssh").arg("-V").output().is_ok();
    if !there {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "`sshd` is not installed");
        eprintln!("skipped: `sshd` is not installed");
    }
    there
}

/// Runs to a good end.
pub fn must(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with the keys of the server, of a client, and of somebody else.
pub fn keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for key in ["host", "other", "client"] {
        must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]);
    }
    std::fs::copy(path("client.pub"), path("authorized")).unwrap();
    folder
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Who runs the tests: the only one who can log in everywhere.
fn user() -> String {
    must("id", &["-un"]).trim().to_owned()
}

impl Sshd {
    /// A server whose sessions work on `tree`; `None` where there is no sshd.
    pub fn start(tree: &Tree) -> Option<Self> {
        if !installed() {
            return None;
        }
        let folder = keys();
        // sudo's own ways would hide the tree's programs: what is behind `sudo -n` is run as it is.
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        script(&bin.join("sudo"), "#!/bin/sh\n[ \"$1\" = -n ] || exit 1\nshift\nexec \"$@\"\n");
        let tools = std::env::join_paths([bin].into_iter().chain(Tree::tools())).unwrap();
        // The script is for `/` of its machine, which is the tree here.
        let forced = format!(
            "#!/bin/sh\nexport PATH='{}' SAGETOP_TREE='{}'\nat=\"sh -s -- '/'\"\ncase $SSH_ORIGINAL_COMMAND in\n\
             *\"$at\"*) command=\"${{SSH_ORIGINAL_COMMAND%%\"$at\"*}}sh -s -- '$SAGETOP_TREE'${{SSH_ORIGINAL_COMMAND#*\"$at\"}}\" ;;\n\
             *) command=$SSH_ORIGINAL_COMMAND ;;\nesac\nexec /bin/sh -c \"$command\"\n",
            tools.to_str().unwrap(),
            tree.root().to_str().unwrap()
        );
        script(&folder.path().join("forced"), &forced);
        if user() == "root" {
            // Where it puts itself before anybody has logged in.
            let _ = std::fs::create_dir_all("/run/sshd");
        }
        let forced = format!("ForceCommand {}\n", folder.path().join("forced").display());
        Some(Self::serve(folder, &forced, &user(), Command::new(SSHD)))
    }

    /// A server with the keys in `folder` and `more` lines in its configuration, into which `user` logs
    /// in. `command` starts it when it gets its arguments.
    pub fn serve(folder: TempDir, more: &str, user: &str, mut command: Command) -> Self {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n{more}\
             UsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nLogLevel ERROR\n",
            path("host"),
            path("authorized"),
        );
        std::fs::write(path("sshd_config"), config).unwrap();
        let child = command
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self { folder, child, port, user: user.to_owned() };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server.know("host");
        server
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The client knows this key as the server's; an empty name: none.
    pub fn know(&self, key: &str) {
        let known = if key.is_empty() {
            String::new()
        } else {
            let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
            format!("[127.0.0.1]:{} {public}", self.port)
        };
        std::fs::write(self.path("known_hosts"), known).unwrap();
    }

    /// How it is reached, by a configuration of the tool's own.
    pub fn login(&self) -> Login {
        self.login_at(self.port, "127.0.0.1", "client")
    }

    /// The same at another port, by another name or with another key.
    pub fn login_at(&self, port: u16, host: &str, key: &str) -> Login {
        let name = format!("config-{port}-{key}");
        let config = format!(
            "Port {port}\nIdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            self.path(key),
            self.path("known_hosts")
        );
        std::fs::write(self.path(&name), config).unwrap();
        Login {
            program: "/usr/bin/ssh".to_owned(),
            config: Some(self.path(&name).into()),
            user: User::new(&self.user).unwrap(),
            host: Host::new(host).unwrap(),
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts a step, with an input of its own if that is wanted.
pub fn spawn(step: &Step) -> Child {
    let mut child = Command::new(&step.argv[0])
        .args(&step.argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(text) = &step.stdin {
        use std::io::Write;
        // ssh that never connects reads nothing.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    }
    child
}

/// Runs a step to its end.
pub fn run(step: &Step) -> (Ending, Output) {
    let output = spawn(step).wait_with_output().unwrap();
    (ending(output.status.code(), &output.stdout, &output.stderr), output)
}
