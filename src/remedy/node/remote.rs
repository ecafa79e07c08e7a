//! Machines, reached over ssh: what reads is here as questions, and the one function that writes takes a
//! [`Permit`], which only the guard can make.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::report::{Kept, Report};
use super::script::{Exit, HELPER_PATH};
use super::ssh::{Ending, Entry, Login, ending};
use super::write::{keep, outcome};
use crate::domain::Clean;
use crate::remedy::act::MachineAct;
use crate::remedy::child::{self, Ended};
use crate::remedy::guard::Permit;
use crate::remedy::log::CommandLog;
use crate::remedy::names::{Host, User};
use crate::remedy::operation::OperationId;
use crate::remedy::plan::Step;
use crate::remedy::program::Program;
use crate::remedy::settings::RemedySettings;
use crate::remedy::target::NodeTarget;

/// A command on a machine is killed after this long: longer than its waits for locks together.
const LIMIT: Duration = Duration::from_secs(30);
/// Variables that ssh gets: where its user's keys and agent are.
const PASSED: [&str; 3] = ["HOME", "PATH", "SSH_AUTH_SOCK"];

/// ssh for the machines of one context.
#[derive(Debug)]
pub struct Remote {
    program: Program,
    config: Option<PathBuf>,
    user: User,
    env: Vec<(OsString, OsString)>,
    log: Arc<CommandLog>,
    /// How root is reached on a machine, once it was asked.
    entries: Mutex<BTreeMap<Host, Entry>>,
}

fn said(error: &dyn std::fmt::Display) -> Clean {
    Clean::capped(&error.to_string(), 500)
}

impl Remote {
    /// As `settings` have it.
    ///
    /// # Errors
    /// There is no ssh, nobody to log in as, or the configuration's path cannot be used.
    pub fn open(settings: &RemedySettings, log: Arc<CommandLog>) -> Result<Self, Clean> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let program = Program::find("ssh", settings.ssh.as_deref(), &search).map_err(|error| said(&error))?;
        let Some(user) = &settings.ssh_user else {
            return Err(Clean::new("actions on machines need `ssh_user`: who logs in there"));
        };
        let user = User::new(user.as_str()).map_err(|error| said(&error))?;
        if let Some(config) = &settings.ssh_config
            && (!config.is_absolute() || config.to_str().is_none())
        {
            return Err(Clean::new("`ssh_config` must be an absolute path, and text"));
        }
        let passed = |name: &OsString| name.to_str().is_some_and(|name| PASSED.contains(&name));
        let mut env: Vec<(OsString, OsString)> =
            std::env::vars_os().filter(|(name, _)| passed(name)).collect();
        env.push(("LANG".into(), "C.UTF-8".into()));
        Ok(Self { program, config: settings.ssh_config.clone(), user, env, log, entries: Mutex::default() })
    }

    fn login(&self, node: &str) -> Result<Login, Clean> {
        Ok(Login {
            program: self.program.path().display().to_string(),
            config: self.config.clone(),
            user: self.user.clone(),
            host: Host::new(node).map_err(|error| said(&error))?,
        })
    }

    async fn run(&self, step: &Step, writes: bool) -> Ended {
        let begun = self.log.begin(step, writes);
        let ended = child::run(step, &self.env, LIMIT).await;
        self.log.end(begun, step, writes, &ended);
        ended
    }

    /// How root is reached on `login`'s machine: asked once.
    async fn entry(&self, login: &Login) -> Result<Entry, Clean> {
        let known = || self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(entry) = known().get(&login.host) {
            return Ok(*entry);
        }
        let ended = self.run(&login.rights(), false).await;
        if ended.ending != child::Ending::Exit(0) {
            return Err(trouble(&login.host, &read(&ended)));
        }
        let entry = Entry::of_rights(&String::from_utf8_lossy(&ended.stdout)).ok_or_else(|| {
            let text = format!(
                "{} may not run {HELPER_PATH} as root on {} without a password: `sagetop actions rbac --sudoers` prints the line for sudoers",
                login.user, login.host
            );
            Clean::new(&text)
        })?;
        known().insert(login.host.clone(), entry);
        Ok(entry)
    }

    /// The command that runs the script on a machine with these words.
    ///
    /// # Errors
    /// The machine cannot be reached, or root not on it.
    pub async fn step(&self, node: &str, words: &[String]) -> Result<Step, Clean> {
        let login = self.login(node)?;
        Ok(login.step(self.entry(&login).await?, words))
    }

    async fn ask(&self, node: &str, words: &[String]) -> Result<String, Clean> {
        let step = self.step(node, words).await?;
        let ended = self.run(&step, false).await;
        match read(&ended) {
            Ending::Script(Exit::Done, _) => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
            other => Err(trouble(&Host::new(node).map_err(|error| said(&error))?, &other)),
        }
    }

    /// A report on `probe` with these words.
    ///
    /// # Errors
    /// The machine cannot be reached or asked.
    pub async fn probe(&self, node: &str, words: &[&str]) -> Result<Report, Clean> {
        let words: Vec<String> = ["probe"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        Ok(Report::read(&self.ask(node, &words).await?))
    }

    /// What the machine says now about what `act` changes.
    ///
    /// # Errors
    /// The machine cannot be reached or asked.
    pub async fn read(&self, act: &MachineAct) -> Result<String, Clean> {
        let words = act.change.read().map_err(|error| said(&error))?;
        self.ask(act.target.node.as_str(), &words).await
    }

    /// What the machine keeps of operation `op`. Waits for it while it is under way.
    ///
    /// # Errors
    /// The machine cannot be reached or asked, or the operation is still under way.
    pub async fn outcome(&self, target: &NodeTarget, op: &OperationId) -> Result<Kept, Clean> {
        let words = outcome(op).map_err(|error| said(&error))?;
        let text = self.ask(target.node.as_str(), &words).await?;
        Ok(Kept::of(&Report::read(&text)))
    }

    /// Carries out what was approved.
    pub(in crate::remedy) async fn write(&self, permit: &Permit) -> (Ended, Ending) {
        let ended = self.run(permit.step(), true).await;
        let end = read(&ended);
        (ended, end)
    }

    /// Stops the scheduled inverse of operation `of`: what was approved for a quarter of an hour stays.
    ///
    /// # Errors
    /// The machine cannot be reached, or the change has taken itself back.
    pub(in crate::remedy) async fn keep(
        &self,
        target: &NodeTarget,
        op: &OperationId,
        of: &OperationId,
    ) -> Result<(), Clean> {
        let words = keep(op, of).map_err(|error| said(&error))?;
        let step = self.step(target.node.as_str(), &words).await?;
        match read(&self.run(&step, true).await) {
            Ending::Script(Exit::Done, _) => Ok(()),
            other => Err(trouble(&Host::new(target.node.as_str()).map_err(|error| said(&error))?, &other)),
        }
    }
}

fn read(ended: &Ended) -> Ending {
    match &ended.ending {
        child::Ending::Exit(code) => ending(Some(*code), &ended.stdout, &ended.stderr),
        child::Ending::Failed(why) => Ending::NeverConnected(Clean::capped(&format!("ssh: {why}"), 400)),
        other => Ending::Lost(Clean::capped(&format!("ssh: {other}"), 400)),
    }
}

/// Why a question was not answered.
fn trouble(host: &Host, end: &Ending) -> Clean {
    let text = match end {
        Ending::NeverConnected(why) => format!("{host} cannot be reached: {why}"),
        Ending::NoProgram(why) => format!("{host} cannot be asked: {why}"),
        Ending::Lost(why) => format!("the session with {host} was lost: {why}"),
        Ending::Script(_, why) => format!("{host}: {why}"),
    };
    Clean::capped(&text, 500)
}
