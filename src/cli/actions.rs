//! The words of `sagetop actions`.

use clap::{Args, Subcommand};

/// `sagetop actions`.
#[derive(Clone, Debug, Args)]
pub struct ActionsArgs {
    /// What to do; without it, list them.
    #[command(subcommand)]
    pub action: Option<ActionsAction>,
}

/// What to do about actions.
#[derive(Clone, Debug, Subcommand)]
pub enum ActionsAction {
    /// List what was done, and what came of it
    List,
    /// Check that the journal is whole and unchanged
    VerifyJournal,
    /// Print the least rights that the configured actions take, in Kubernetes or on machines
    Rbac {
        /// Who gets them: a user as the API server names it
        #[arg(long, value_name = "NAME", default_value = "sagetop")]
        user: String,
        /// Print the line for sudoers on machines instead, for the configured `ssh_user`
        #[arg(long, conflicts_with_all = ["helper", "user"])]
        sudoers: bool,
        /// Print the helper for machines instead, the only program that line lets it run as root
        #[arg(long, conflicts_with = "user")]
        helper: bool,
    },
}
