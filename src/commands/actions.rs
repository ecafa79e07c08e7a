//! `sagetop actions`: what was done, whether the record of it is whole, and which rights it takes.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::{Error, Exit, Output};
use crate::cli::{ActionsAction, ActionsArgs, Global};
use crate::config::{self, Context, Dirs, paths};
use crate::domain::{Clean, Counterfactual, Timestamp};
use crate::remedy::desk::{Past, past};
use crate::remedy::journal::{self, Broken, Verified};
use crate::remedy::names::User;
use crate::remedy::{Change, OperationId, Outcome, Target, node, rbac};

/// JSON form of the list; field names are a contract.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    journal: PathBuf,
    actions: Vec<Done>,
    calibration: Calibration,
}

/// How often the measured tail lay in the predicted interval.
#[derive(Default, Serialize)]
struct Calibration {
    predicted: usize,
    hits: usize,
}

#[derive(Serialize)]
struct Done {
    id: OperationId,
    started: Timestamp,
    slo: Clean,
    kind: &'static str,
    target: Target,
    changes: Vec<Change>,
    by: Clean,
    second: Option<Clean>,
    reason: Option<Clean>,
    outcome: Option<&'static str>,
    why: Option<Clean>,
    effective: Option<Timestamp>,
    forecast: Option<Counterfactual>,
    objective_ms: f64,
    observed_ms: Option<f64>,
    measured_ms: Option<f64>,
    hit: Option<bool>,
    met: Option<bool>,
    reverted_by: Option<Clean>,
    undoes: Option<OperationId>,
    undone_by: Option<OperationId>,
    argv: Vec<String>,
    undo: Option<Vec<String>>,
    notes: Vec<Clean>,
}

impl From<Past> for Done {
    fn from(past: Past) -> Self {
        let Past { kept, intent, .. } = past;
        let operation = kept.operation;
        let (outcome, why) = match operation.outcome {
            Some(Outcome::Applied) => (Some("applied"), None),
            Some(Outcome::NotApplied(why)) => (Some("not_applied"), Some(why)),
            Some(Outcome::Unknown(why)) => (Some("unknown"), Some(why)),
            None => (None, None),
        };
        let seen = operation.verification;
        Self {
            id: operation.id,
            started: operation.started,
            slo: operation.slo,
            kind: operation.kind.word(),
            target: operation.target,
            changes: operation.changes,
            by: operation.by,
            second: intent.second,
            reason: intent.reason,
            outcome,
            why,
            effective: kept.effective,
            forecast: operation.forecast,
            objective_ms: operation.objective_ms,
            observed_ms: intent.observed_ms,
            measured_ms: seen.as_ref().and_then(|seen| seen.measured_ms),
            hit: seen.as_ref().and_then(|seen| seen.hit),
            met: seen.as_ref().and_then(|seen| seen.met),
            reverted_by: operation.reverted,
            undoes: intent.undoes,
            undone_by: operation.undone_by,
            argv: intent.argv,
            undo: intent.undo,
            notes: operation.notes,
        }
    }
}

/// JSON form of the check.
#[derive(Serialize)]
struct Check {
    schema: &'static str,
    journal: PathBuf,
    ok: bool,
    entries: usize,
    torn: usize,
    hash: Option<String>,
    broken: Option<Place>,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    why: Clean,
}

/// Runs it.
pub fn run(global: &Global, args: &ActionsArgs, out: &mut Output) -> Result<Exit, Error> {
    let config = config::load(&paths::config_file(global.config())?)?;
    let context = config.context(global.context.as_deref())?;
    if let Some(ActionsAction::Rbac { user, sudoers, helper }) = &args.action {
        let text = match (sudoers, helper) {
            (true, _) => node::sudoers::sudoers(&machines_user(context)?),
            (_, true) => node::script::HELPER.to_owned(),
            _ => rbac::manifest(&context.remedy, user)?,
        };
        write!(out, "{text}")?;
        return Ok(Exit::Ok);
    }
    let (path, bytes) = read(global, context)?;
    match &args.action {
        Some(ActionsAction::VerifyJournal) => check(path, &bytes, out),
        _ => list(path, &bytes, out),
    }
}

/// Who logs in on machines; without a setting, the name that the rights in Kubernetes have too.
fn machines_user(context: &Context) -> Result<User, Error> {
    Ok(User::new(context.remedy.ssh_user.as_ref().map_or("sagetop", Clean::as_str))?)
}

/// The journal's file; one that was never written is empty.
fn read(global: &Global, context: &Context) -> Result<(PathBuf, Vec<u8>), Error> {
    let path = journal::path(&Dirs::find(global.state_dir())?.state, context.name.as_str());
    match std::fs::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((path, Vec::new())),
        Err(source) => Err(Error::Read { path, source }),
    }
}

fn check(journal: PathBuf, bytes: &[u8], out: &mut Output) -> Result<Exit, Error> {
    let seen = journal::verify(bytes).map(|(_, verified)| verified);
    let ok = seen.is_ok();
    if out.json() {
        let (verified, broken) = match seen {
            Ok(verified) => (Some(verified), None),
            Err(Broken { line, why }) => (None, Some(Place { line, why })),
        };
        out.value(&Check {
            schema: "sagetop.journal/1",
            journal,
            ok,
            entries: verified.as_ref().map_or(0, |verified| verified.entries),
            torn: verified.as_ref().map_or(0, |verified| verified.torn),
            hash: verified.map(|verified| verified.hash),
            broken,
        })?;
        return Ok(if ok { Exit::Ok } else { Exit::Error });
    }
    match seen {
        Ok(Verified { entries, hash, torn, open_end }) => {
            writeln!(out, "{}: whole, {entries} entries, the last one has hash {hash}", journal.display())?;
            if torn > 0 {
                writeln!(out, "{torn} lines were torn when something died, and are told of")?;
            }
            if open_end {
                writeln!(
                    out,
                    "the last line is torn: whatever wrote it died; the next entry will tell of it"
                )?;
            }
            Ok(Exit::Ok)
        }
        Err(broken) => {
            writeln!(out, "{}: {broken}", journal.display())?;
            Ok(Exit::Error)
        }
    }
}

fn list(journal: PathBuf, bytes: &[u8], out: &mut Output) -> Result<Exit, Error> {
    let (entries, _) = journal::verify(bytes)
        .map_err(|broken| journal::JournalError::Broken { path: journal.clone(), broken })?;
    let actions: Vec<Done> = past(&entries).into_iter().map(Done::from).collect();
    let known = actions.iter().filter_map(|action| action.hit);
    let calibration =
        Calibration { predicted: known.clone().count(), hits: known.filter(|hit| *hit).count() };
    if out.json() {
        out.value(&Report { schema: "sagetop.actions/1", journal, actions, calibration })?;
        return Ok(Exit::Ok);
    }
    if actions.is_empty() {
        writeln!(out, "nothing was done in this context")?;
        return Ok(Exit::Ok);
    }
    for action in &actions {
        let changes = action.changes.iter().map(|change| {
            let text =
                |value: &Option<Clean>| value.as_ref().map_or("absent".to_owned(), ToString::to_string);
            format!("{} {} → {}", change.field, text(&change.before), text(&change.after))
        });
        writeln!(
            out,
            "{}  {}  {}",
            action.started.strftime("%Y-%m-%d %H:%M:%SZ"),
            action.kind,
            action.target
        )?;
        writeln!(out, "    {}, by {}", changes.collect::<Vec<_>>().join(", "), action.by)?;
        writeln!(out, "    {}", what_came_of(action))?;
    }
    if calibration.predicted > 0 {
        writeln!(
            out,
            "\n{} of {} measured tails lay in the predicted interval",
            calibration.hits, calibration.predicted
        )?;
    }
    Ok(Exit::Ok)
}

fn what_came_of(action: &Done) -> String {
    let mut words = vec![match (action.outcome, &action.why) {
        (Some("applied"), _) => "applied".to_owned(),
        (Some("not_applied"), Some(why)) => format!("not applied: {why}"),
        (_, Some(why)) => format!("unknown: {why}"),
        _ => "unknown".to_owned(),
    }];
    if let (Some(ms), Some(met)) = (action.measured_ms, action.met) {
        let met = if met { "met" } else { "not met" };
        words.push(format!("then {ms:.0} ms, objective {met}"));
    }
    if let Some(tail) = &action.forecast {
        let hit = match action.hit {
            Some(true) => "hit",
            Some(false) => "missed",
            None => "not measured",
        };
        words.push(format!(
            "predicted {:.0} ms [{:.0}-{:.0}]: {hit}",
            tail.quantile_ms, tail.low_ms, tail.high_ms
        ));
    }
    words.extend(action.reverted_by.as_ref().map(|by| format!("put back by {by}")));
    words.extend(action.undone_by.as_ref().map(|by| format!("taken back by {by}")));
    words.extend(action.undoes.as_ref().map(|of| format!("took back {of}")));
    words.join("; ")
}
