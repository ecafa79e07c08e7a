//! Reading back: what became of a write, decided by the target alone.

use tokio::time::{Instant, sleep};

use super::{Runner, Said, Tell, Update};
use crate::domain::Clean;
use crate::remedy::cluster::Object;
use crate::remedy::kubectl::ReadError;
use crate::remedy::names::Label;
use crate::remedy::operation::{OperationId, Outcome};
use crate::remedy::target::ObjectTarget;
use crate::remedy::write::{Standing, Write};

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What is known to have happened.
    pub outcome: Outcome,
    /// Who has put the old value back already.
    pub reverted: Option<Clean>,
    /// A word more.
    pub note: Option<Clean>,
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, reverted: None, note: None }
    }
}

impl Runner {
    /// The target as it is; `None` if it is gone.
    pub(super) async fn read(&self, target: &ObjectTarget) -> Result<Option<Object>, ReadError> {
        let namespace = Label::new(target.namespace.as_str())?;
        match self.kubectl.get(target.kind, &namespace, target.name.as_str()).await {
            Ok(value) => match Object::of(value) {
                Some(object) => Ok(Some(object)),
                None => Err(ReadError::Failed(Clean::new("the answer has no valid name"))),
            },
            Err(ReadError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the target of `write` until it shows what happened, or time is up. `generation` is the
    /// target's before the write, where it has one.
    pub(super) async fn read_back(&self, write: &Write, generation: Option<u64>, said: &Said) -> Seen {
        let until = Instant::now() + self.pace.read_back;
        loop {
            let late = Instant::now() >= until;
            let read = self.read(&write.target).await;
            if let Some(seen) = judge(write, generation, said, read, late) {
                return seen;
            }
            sleep(self.pace.poll).await;
        }
    }

    /// A request whose end nobody saw can still arrive: looks again later, and corrects what was said.
    pub(super) async fn look_again(&self, op: &OperationId, write: &Write, told: Outcome, tell: &Tell) {
        let begun = Instant::now();
        for mark in &self.pace.reverts {
            tokio::time::sleep_until(begun + *mark).await;
            let Ok(Some(object)) = self.read(&write.target).await else { continue };
            if write.standing(&object) == Standing::After {
                let ended = Clean::new("it took effect later than it was waited for");
                self.decided(op, ended, Outcome::Applied, false, tell).await;
                tell(Update::Note(Clean::new("corrected: the change has arrived late")));
                return;
            }
        }
        drop(told);
    }
}

/// What one read says; `None` if it has to be read again.
fn judge(
    write: &Write,
    generation: Option<u64>,
    said: &Said,
    read: Result<Option<Object>, ReadError>,
    late: bool,
) -> Option<Seen> {
    let unknown = |why: String| Some(Outcome::Unknown(Clean::capped(&why, 500)).into());
    let not_applied = |why: &str| Some(Outcome::NotApplied(Clean::capped(why, 500)).into());
    let object = match read {
        Ok(Some(object)) => object,
        Ok(None) if matches!(said, Said::Refused(_)) => {
            return not_applied(&format!("the target is gone: {}", said.words()));
        }
        Ok(None) => return unknown("the target is gone".to_owned()),
        Err(error) if late => {
            return unknown(format!("the target cannot be read: {error}; the command: {}", said.words()));
        }
        Err(_) => return None,
    };
    let same_generation = generation.is_some() && object.generation() == generation;
    match (write.standing(&object), said) {
        (Standing::After, Said::Refused(why)) => Some(Seen {
            outcome: Outcome::Applied,
            reverted: None,
            note: Some(Clean::capped(
                &format!("the command was refused ({why}), yet the fields have the new values"),
                500,
            )),
        }),
        (Standing::After, _) => Some(Outcome::Applied.into()),
        (Standing::Replaced, _) => unknown("the target was deleted and made anew meanwhile".to_owned()),
        (Standing::Neither(seen), _) => unknown(format!("neither the old nor the new values: {seen}")),
        (Standing::Before, Said::Refused(why)) => not_applied(why.as_str()),
        // Its specification has not been touched since: whatever was said, nothing was stored.
        (Standing::Before, Said::Done) if same_generation => late.then(|| {
            Outcome::NotApplied(Clean::new("kubectl said it was done, but nothing was stored")).into()
        }),
        (Standing::Before, Said::Done) if generation.is_some() => {
            Some(Seen { outcome: Outcome::Applied, reverted: Some(who(write, &object)), note: None })
        }
        (Standing::Before, Said::Done) if late => {
            unknown("kubectl said it was done, but the fields have the old values".to_owned())
        }
        (Standing::Before, Said::Unsure(why)) if late && (same_generation || generation.is_none()) => {
            not_applied(why.as_str())
        }
        (Standing::Before, Said::Unsure(why)) if late => unknown(format!(
            "the fields have the old values, but the target has changed meanwhile; the command: {why}"
        )),
        (Standing::Before, _) => None,
    }
}

/// Who owns the fields of `write` now, ourselves left out.
pub(super) fn who(write: &Write, object: &Object) -> Clean {
    let mut names: Vec<String> = write
        .fields()
        .iter()
        .flat_map(|field| {
            let path: Vec<String> =
                field.path.split('/').skip(1).take(2).map(|part| format!("f:{part}")).collect();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            object.managers(&path).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    names.sort();
    names.dedup();
    match names.len() {
        0 => Clean::new("somebody"),
        _ => Clean::capped(&names.join(" or "), 200),
    }
}
