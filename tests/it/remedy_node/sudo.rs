//! The right that `sagetop actions rbac --sudoers` prints, with a real sudo behind a real sshd: who has it
//! can run the helper as root, as it was installed, and nothing else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sagetop::domain::Clean;
use sagetop::remedy::OperationId;
use sagetop::remedy::names::User;
use sagetop::remedy::node::container::Seat;
use sagetop::remedy::node::report::Report;
use sagetop::remedy::node::script::{Exit, HELPER, HELPER_PATH};
use sagetop::remedy::node::ssh::{Ending, Entry};
use sagetop::remedy::node::sudoers::sudoers;
use sagetop::remedy::node::write::{Deed, NodeWrite};

use crate::remedy_node::sshd::{Sshd, installed, keys, must, run, script};
use crate::remedy_node::tree::{CONTAINER, POD, cgroup};

/// A user that is on no machine.
const OPS: &str = "sagetop-ops";

/// Makes this machine, as it looks from a mount namespace, one with that user, the right and the helper;
/// then runs the server in it. Nothing of it is seen outside.
const MACHINE: &str = r#"
set -e
here=$1
shift
mount --make-rprivate /
for file in passwd shadow; do
    cat "/etc/$file" "$here/$file.more" >"$here/$file"
    mount --bind "$here/$file" "/etc/$file"
done
for folder in /run /etc/sudoers.d /usr/local/sbin; do
    mount -t tmpfs -o mode=755 none "$folder"
done
mkdir /run/sshd
install -m 0440 "$here/sudoers" /etc/sudoers.d/sagetop
install -m 0755 "$here/helper" "$HELPER_PATH"
exec /usr/sbin/sshd "$@"
"#;

/// The machine with `helper` at its place; `None`, with the reason told, where none can be made.
fn machine(helper: &str) -> Option<Sshd> {
    if !installed() {
        return None;
    }
    let possible = Command::new("unshare").args(["-m", "mount", "--make-rprivate", "/"]).status();
    if !possible.is_ok_and(|status| status.success()) || !Path::new("/usr/bin/sudo").exists() {
        assert!(std::env::var_os("SAGETOP_CI").is_none(), "no mount namespace can be made, or no sudo");
        eprintln!("skipped: no mount namespace can be made, or there is no sudo");
        return None;
    }
    let folder = keys();
    // The server reads there as the user that logs in.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("passwd.more", &format!("{OPS}:x:54321:54321::/tmp:/bin/sh\n"));
    put("shadow.more", &format!("{OPS}:*:19000:0:99999:7:::\n"));
    put("sudoers", &sudoers(&User::new(OPS).unwrap()));
    put("helper", helper);
    must("/usr/sbin/visudo", &["-c", "-f", folder.path().join("sudoers").to_str().unwrap()]);
    script(&folder.path().join("machine"), MACHINE);
    let mut command = Command::new("unshare");
    command.env("HELPER_PATH", HELPER_PATH).args(["-m", "sh"]);
    command.arg(folder.path().join("machine")).arg(folder.path());
    Some(Sshd::serve(folder, "", OPS, command))
}

#[test]
fn the_generated_right_is_enough_for_the_helper() {
    let Some(server) = machine(HELPER) else { return };
    let login = server.login();
    let (_, listed) = run(&login.rights());
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(Entry::of_rights(&listed), Some(Entry::Helper), "{listed}");
    let ends = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        run(&login.step(Entry::Helper, &words))
    };
    let (end, probed) = ends(&["probe", "machine"]);
    assert!(matches!(end, Ending::Script(Exit::Done, _)), "{probed:?}");
    assert!(Report::read(&String::from_utf8(probed.stdout).unwrap()).is_ours());
    // Words arrive as they are, through two shells and sudo.
    for word in ["$(id) x", "'; id; '", "-x", "*"] {
        let (end, output) = ends(&["operation", "outcome", word]);
        assert!(matches!(end, Ending::Script(Exit::Words, _)), "{word:?}: {output:?}");
    }
    // It runs as root, who alone can keep a result in /run; that there is no such container it says.
    let seat = Seat { container: CONTAINER.to_owned(), uid: POD.to_owned(), cgroup: cgroup() };
    let deed = Deed::Schemata { group: "sagetop-x".into(), before: None, after: "L3:0=7;1=7".into() };
    let apply = NodeWrite { seat, deed }.apply(&OperationId(Clean::new("op1"))).unwrap();
    let (end, output) = run(&login.step(Entry::Helper, &apply));
    assert!(
        matches!(&end, Ending::Script(Exit::Unsupported | Exit::Changed, why) if !why.as_str().contains("cannot make")),
        "{end:?}: {output:?}"
    );
}

#[test]
fn the_generated_right_is_for_nothing_else() {
    let Some(server) = machine(HELPER) else { return };
    let refused = |command: &str| {
        let mut step = server.login().rights();
        *step.argv.last_mut().unwrap() = command.to_owned();
        let (end, output) = run(&step);
        assert!(matches!(end, Ending::NoProgram(_)), "{command}: {end:?}, {output:?}");
    };
    refused("sudo -n sh -c id");
    refused("sudo -n id");
    refused(&format!("sudo -n sh {HELPER_PATH} probe machine"));
    // The script as it is sent to whoever may do everything.
    let (end, _) = run(&server.login().step(Entry::Shell, &["probe".to_owned(), "machine".to_owned()]));
    assert!(matches!(end, Ending::NoProgram(_)), "{end:?}");
}

#[test]
fn another_file_in_the_helpers_place_is_not_run() {
    let Some(server) = machine(&format!("{HELPER}# changed\n")) else { return };
    let words = ["probe".to_owned(), "machine".to_owned()];
    let (end, output) = run(&server.login().step(Entry::Helper, &words));
    assert!(matches!(end, Ending::NoProgram(_)), "{end:?}: {output:?}");
}
