//! Checks of `[contexts.NAME.remedy]`: what may be changed has to be said without a doubt.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::ContextSettings;
use super::resolve::Resolver;
use crate::remedy::RemedySettings;
use crate::remedy::names::{ContextName, Label, NameError, User};

/// Longest time for which one typing of the context's name holds: a shift.
const LONGEST_ARMED: Duration = Duration::from_secs(8 * 3_600);

impl Resolver<'_> {
    /// The section, with paths made absolute, and what is wrong with it.
    pub fn remedy(&mut self, at: &[&str; 2], context: &ContextSettings) -> RemedySettings {
        let mut settings = context.remedy.clone();
        let mut wrong: Vec<(&str, String, Option<&str>)> = Vec::new();
        let mut name = |key: &'static str, checked: Result<(), NameError>| {
            if let Err(error) = checked {
                wrong.push((key, error.to_string(), None));
            }
        };
        if let Some(context) = &settings.kube_context {
            name("kube_context", ContextName::new(context.as_str()).map(drop));
        }
        if let Some(user) = &settings.ssh_user {
            name("ssh_user", User::new(user.as_str()).map(drop));
        }
        for namespace in &settings.namespaces {
            name("namespaces", Label::new(namespace.as_str()).map(drop));
        }
        for (key, path) in [("kubectl", &settings.kubectl), ("ssh", &settings.ssh)] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                let help = "write it as an absolute path, or leave it out to look for it in PATH";
                wrong.push((key, format!("`{key}` is run, and must not depend on where one is"), Some(help)));
            }
        }
        if settings.armed_for.is_zero() || settings.armed_for > LONGEST_ARMED {
            wrong.push((
                "armed_for",
                "`armed_for` must be more than nothing and at most 8 h".to_owned(),
                None,
            ));
        }
        for (key, number) in
            [("max_replicas", settings.max_replicas), ("max_actions_per_hour", settings.max_actions_per_hour)]
        {
            if number == 0 {
                wrong.push((key, format!("`{key}` must be at least 1"), None));
            }
        }
        if settings.enabled {
            if settings.kubeconfig.as_os_str().is_empty() {
                let help =
                    "name the file with `kubeconfig`: there is no falling back to the one in the home folder";
                wrong.push(("enabled", "actions need a kubeconfig".to_owned(), Some(help)));
            }
            if settings.namespaces.is_empty() {
                let help = "list them in `namespaces`";
                wrong.push((
                    "enabled",
                    "actions need namespaces in which they may change objects".to_owned(),
                    Some(help),
                ));
            }
            let on_machines = settings.kinds.iter().find(|kind| kind.is_on_node());
            if let Some(kind) = on_machines.filter(|_| settings.ssh_user.is_none()) {
                let message =
                    format!("`{}` is done on machines, and nobody is named who logs in there", kind.word());
                wrong.push(("kinds", message, Some("set `ssh_user`, or take it from `kinds`")));
            }
        }
        for (key, message, help) in wrong {
            let span = self.doc.value(&[at[0], at[1], "remedy", key]);
            self.findings.error(span, message, help.map(str::to_owned));
        }
        if !settings.kubeconfig.as_os_str().is_empty() {
            settings.kubeconfig = absolute(self.folder, &settings.kubeconfig);
        }
        settings.ssh_config = settings.ssh_config.map(|path| absolute(self.folder, &path));
        settings
    }
}

/// `path`, which may be relative to `folder`, whatever the present folder will be.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    // It fails only if the present folder is gone; then the path is refused where it is used.
    std::path::absolute(&joined).unwrap_or(joined)
}
