//! The least right that changes on machines need: one program, which root owns and whose content sudo
//! checks before it runs it.

use super::script::{HELPER_PATH, helper_digest};
use crate::remedy::names::User;

/// Lines for a file in `/etc/sudoers.d` that let `user` run the helper as root, and nothing else.
pub fn sudoers(user: &User) -> String {
    let digest = helper_digest();
    format!(
        "# {HELPER_PATH} has to be what `sagetop actions rbac --helper` prints, owned by root, mode 0755.\n\
         # Another file of that name is not run: its digest is another.\n\
         {user} ALL=(root) NOPASSWD: sha256:{digest} {HELPER_PATH}\n"
    )
}
