//! Scripts of faults: a TOML file that says what breaks where and when.
//!
//! ```toml
//! [[fault]]
//! kind = "disk-contention"
//! service = "mongodb-rate"
//! at = "5m"            # after the lab has begun to live; `before` counts back into its history
//! for = "10m"
//! intensity = 0.8
//! ```

use std::time::Duration;

use serde::Deserialize;

use super::app::Application;
use super::cluster::Cluster;
use super::fault::{Fault, FaultKind};
use crate::domain::Clean;

/// Longest message about a script's form, in grapheme clusters.
const MESSAGE: usize = 600;

/// What is wrong with a script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is not TOML of the right form; the message has the line and the column.
    #[error("{0}")]
    Form(Clean),
    /// A place that the application does not have.
    #[error("fault {number}: there is no {what} `{name}`{}", nearest(.likely.as_deref()))]
    Place {
        /// Which fault, from 1.
        number: usize,
        /// "service" or "node".
        what: &'static str,
        /// The unknown name.
        name: Clean,
        /// What was probably meant.
        likely: Option<String>,
    },
    /// A number out of its range.
    #[error("fault {number}: `intensity` is {value}, not between 0 and 1")]
    Intensity {
        /// Which fault, from 1.
        number: usize,
        /// The number.
        value: f64,
    },
    /// Neither `at` nor `before`, or both.
    #[error("fault {number}: give one of `at` and `before`")]
    When {
        /// Which fault, from 1.
        number: usize,
    },
}

fn nearest(likely: Option<&str>) -> String {
    likely.map_or_else(String::new, |name| format!(", but there is `{name}`"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fault: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(flatten)]
    kind: FaultKind,
    at: Option<Text>,
    before: Option<Text>,
    #[serde(rename = "for")]
    length: Text,
    #[serde(default = "full")]
    intensity: f64,
}

/// A duration in a flattened table.
#[derive(Clone, Copy, Deserialize)]
struct Text(#[serde(with = "crate::domain::duration")] Duration);

fn full() -> f64 {
    1.0
}

/// Reads a script. `live_s` is the simulated second at which the lab begins to live.
///
/// # Errors
/// The text is not a script, or names places that are not there.
pub fn parse(
    text: &str,
    app: &Application,
    cluster: &Cluster,
    live_s: f64,
) -> Result<Vec<Fault>, ScriptError> {
    let file: File = toml::from_str(text).map_err(|error| form(text, &error))?;
    let mut faults = Vec::new();
    for (index, entry) in file.fault.into_iter().enumerate() {
        let number = index + 1;
        let from_s = match (entry.at, entry.before) {
            (Some(at), None) => live_s + at.0.as_secs_f64(),
            (None, Some(before)) => (live_s - before.0.as_secs_f64()).max(0.0),
            _ => return Err(ScriptError::When { number }),
        };
        if !(0.0..=1.0).contains(&entry.intensity) {
            return Err(ScriptError::Intensity { number, value: entry.intensity });
        }
        check(&entry.kind, number, app, cluster)?;
        let until_s = from_s + entry.length.0.as_secs_f64();
        faults.push(Fault {
            id: number as u64,
            kind: entry.kind,
            from_s,
            until_s,
            intensity: entry.intensity,
        });
    }
    Ok(faults)
}

fn form(text: &str, error: &toml::de::Error) -> ScriptError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    // Long enough for the list of all kinds.
    ScriptError::Form(Clean::capped(&format!("line {line}: {}", error.message()), MESSAGE))
}

fn check(kind: &FaultKind, number: usize, app: &Application, cluster: &Cluster) -> Result<(), ScriptError> {
    let (what, name, known): (_, _, Vec<&str>) = match (kind.service(), kind.node()) {
        (Some(service), _) => ("service", service, app.services.iter().map(|known| &*known.name).collect()),
        (None, Some(node)) => ("node", node, cluster.nodes.iter().map(|known| &*known.name).collect()),
        (None, None) => return Ok(()),
    };
    if known.contains(&name) {
        return Ok(());
    }
    let likely = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
    let likely = likely.filter(|(distance, known)| *distance <= known.len() / 3 + 1);
    Err(ScriptError::Place {
        number,
        what,
        name: Clean::new(name),
        likely: likely.map(|(_, known)| known.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::lab::app::named;

    fn read(text: &str) -> Result<Vec<Fault>, String> {
        let app = named("chain-3").unwrap();
        parse(text, &app, &Cluster::for_application(&app, 2), 3_600.0).map_err(|error| error.to_string())
    }

    #[test]
    fn times_count_from_the_beginning_of_life() {
        let faults = read(
            "[[fault]]\nkind = \"cpu-hog\"\nservice = \"chain-1\"\nat = \"5m\"\nfor = \"10m\"\nintensity = 0.5\n\
             [[fault]]\nkind = \"noisy-neighbour\"\nnode = \"node-2\"\nbefore = \"30m\"\nfor = \"90s\"\n\
             [[fault]]\nkind = \"load-surge\"\nbefore = \"2h\"\nfor = \"1m\"\n",
        )
        .unwrap();
        let times: Vec<_> =
            faults.iter().map(|fault| (fault.from_s, fault.until_s, fault.intensity)).collect();
        assert_eq!(times, [(3_900.0, 4_500.0, 0.5), (1_800.0, 1_890.0, 1.0), (0.0, 60.0, 1.0)]);
        assert_eq!(faults[1].kind, FaultKind::NoisyNeighbour { node: "node-2".to_owned() });
        assert_eq!(faults.iter().map(|fault| fault.id).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            (
                "[[fault]]\nkind = \"cpu-hog\"\nservice = \"chain-12\"\nat = \"0s\"\nfor = \"1m\"",
                "no service `chain-12`, but there is `chain-",
            ),
            (
                "[[fault]]\nkind = \"noisy-neighbour\"\nnode = \"nod-1\"\nat = \"0s\"\nfor = \"1m\"",
                "no node `nod-1`, but there is `node-1`",
            ),
            (
                "[[fault]]\nkind = \"load-surge\"\nat = \"0s\"\nfor = \"1m\"\nintensity = 2.0",
                "`intensity` is 2",
            ),
            (
                "[[fault]]\nkind = \"load-surge\"\nat = \"0s\"\nbefore = \"1m\"\nfor = \"1m\"",
                "one of `at` and `before`",
            ),
            ("[[fault]]\nkind = \"load-serge\"\nat = \"0s\"\nfor = \"1m\"", "load-surge"),
            ("[[fault]]\nkind = \"load-surge\"\nat = \"0s\"\nfor = \"soon\"", "`soon` is not a duration"),
            ("[[fault]\n", "line 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}\n{error}");
        }
        assert_eq!(read("").unwrap(), []);
    }
}
