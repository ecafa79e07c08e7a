//! The one script that is run on machines, and what its exit codes mean.
//!
//! It is constant: which change is made, and of what, is said by words behind it. Each mechanism has a
//! file in `scripts/`; together they are one text, because the inverse of a change, which the machine
//! runs by itself unless the change is kept, has to be the same text.

use sha2::{Digest as _, Sha256};

/// Which words the script understands and what it prints. A helper that was installed with another
/// number is not used.
pub const PROTOCOL: u32 = 1;

macro_rules! body {
    ($before:expr, $after:expr) => {
        concat!(
            $before,
            include_str!("scripts/common.sh"),
            include_str!("scripts/resctrl.sh"),
            include_str!("scripts/htb.sh"),
            include_str!("scripts/cgroup.sh"),
            include_str!("scripts/probe.sh"),
            include_str!("scripts/main.sh"),
            $after
        )
    };
}

/// The script as `sh -s -- ROOT MECHANISM …` reads it from standard input.
pub const SCRIPT: &str = body!(include_str!("scripts/head.sh"), include_str!("scripts/tail.sh"));

/// The same as a program of its own, to be installed where root is not to be had for the asking. The root
/// of the file tree is not among its words.
pub const HELPER: &str = body!(
    concat!(
        "#!/bin/sh\n# sagetop's helper on machines: the changes it can make, and their inverses.\n",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\nset -- / \"$@\"\n",
        include_str!("scripts/head.sh")
    ),
    include_str!("scripts/tail.sh")
);

/// Where [`HELPER`] is to be installed, owned by root and writable by nobody else.
pub const HELPER_PATH: &str = "/usr/local/sbin/sagetop-node";

/// SHA-256 of [`HELPER`], hexadecimal: what sudo holds the installed file against.
pub fn helper_digest() -> String {
    Sha256::digest(HELPER).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the script ended, by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 64: the words were not understood; nothing was done.
    Words,
    /// 75: the lock is held by somebody else; nothing was done.
    Busy,
    /// 76: something is not as it was when the change was planned; nothing was done, and what is there is
    /// printed.
    Changed,
    /// 77: not possible on this machine; nothing was done.
    Unsupported,
    /// 78: the kernel refused; what was done before that was taken back.
    Refused,
}

impl Exit {
    /// By the code; `None` for a code that the script does not use.
    pub fn of(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::Done,
            64 => Self::Words,
            75 => Self::Busy,
            76 => Self::Changed,
            77 => Self::Unsupported,
            78 => Self::Refused,
            _ => return None,
        })
    }
}
