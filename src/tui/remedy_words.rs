//! Proposals, plans and operations in words: the same on screen, in remarks and on the clipboard.

use std::time::Duration;

use super::{format, words};
use crate::domain::{Clean, Counterfactual, Timestamp};
use crate::remedy::{ActionKind, Change, Operation, Outcome, Phase, Proposal, Target, Verification, Weight};

/// "scale out deployment geo in shop".
pub fn title(kind: ActionKind, target: &Target) -> String {
    format!("{}: {target}", kind.title())
}

/// "replicas 2 → 4"; what was or will be unset is said to be.
pub fn change(change: &Change, arrow: &str) -> String {
    let before = change.before.as_ref().map_or("unset", Clean::as_str);
    let after = change.after.as_ref().map_or("removed", Clean::as_str);
    format!("{} {before} {arrow} {after}", change.field)
}

/// All changes in a line.
pub fn changes(changes: &[Change], arrow: &str) -> String {
    changes.iter().map(|c| change(c, arrow)).collect::<Vec<_>>().join(", ")
}

/// The word for how much an obstacle weighs.
pub fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Note => "note",
        Weight::Warning => "warning",
        Weight::Refusal => "refused",
    }
}

/// How an operation stands, in a word or two.
pub fn outcome(o: &Operation) -> &'static str {
    match (&o.outcome, &o.phase) {
        _ if o.undone_by.is_some() => "UNDONE",
        _ if o.reverted.is_some() => "REVERTED",
        (Some(Outcome::Applied), _) => "APPLIED",
        (Some(Outcome::NotApplied(_)), _) => "NOT APPLIED",
        (Some(Outcome::Unknown(_)), _) => "UNKNOWN",
        (None, Phase::Running) => "RUNNING",
        (None, _) => "READING",
    }
}

/// Why an operation was not applied, or why nobody can tell.
pub fn outcome_why(o: &Operation) -> Option<&Clean> {
    match o.outcome.as_ref()? {
        Outcome::Applied => None,
        Outcome::NotApplied(why) | Outcome::Unknown(why) => Some(why),
    }
}

/// What is waited for, if anything is.
pub fn phase(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Running => Some("the command runs".to_owned()),
        Phase::ReadBack => Some("the target is read again".to_owned()),
        Phase::Settling(what) => Some(format!("takes effect: {what}")),
        Phase::Verifying => Some("waits for the next windows, to measure the tail".to_owned()),
        Phase::Done => None,
    }
}

/// Which side of the predicted interval a measured tail lies on: "inside", "better than", "worse than".
pub fn side(measured_ms: f64, hit: bool, forecast: Option<&Counterfactual>) -> &'static str {
    match forecast {
        _ if hit => "inside",
        Some(forecast) if measured_ms < forecast.low_ms => "better than",
        _ => "worse than",
    }
}

/// "objective met: measured 168 ms over 3 windows, a hit: inside the predicted 171 ms [150-198]"; `None` before
/// anything is known.
pub fn verified(o: &Operation) -> Option<String> {
    let Verification { measured_ms, hit, met, windows } = o.verification.as_ref()?;
    let ms = (*measured_ms)?;
    let measured = format::latency(Some(ms));
    let predicted = o.forecast.as_ref().map(words::interval);
    let against = match (hit, predicted) {
        (Some(hit), Some(p)) => {
            let word = if *hit { "a hit" } else { "a miss" };
            format!(", {word}: {} the predicted {p}", side(ms, *hit, o.forecast.as_ref()))
        }
        (_, Some(p)) => format!(", predicted {p}"),
        (_, None) => ", without a prediction".to_owned(),
    };
    let met = match met {
        Some(true) => "objective met: ",
        Some(false) => "objective still violated: ",
        None => "",
    };
    let over = if *windows == 1 { "1 window".to_owned() } else { format!("{windows} windows") };
    Some(format!("{met}measured {measured} over {over}{against}"))
}

/// The arguments as a shell would need them: what is between two spaces is one argument. Nothing is
/// left out and nothing looks like something else: what is not plain ASCII is spelled out.
pub fn arguments(argv: &[String]) -> Vec<String> {
    let quoted = |arg: &String| {
        let bare = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
        if !arg.chars().all(printable) {
            let text: String = arg.chars().map(spelled).collect();
            // The quotes of bash and zsh in which these escapes count.
            return format!("$'{}'", text.replace('\'', "\\'"));
        }
        // Options with a value need no quotes in any shell.
        if !arg.is_empty() && arg.chars().all(bare) && !arg.starts_with('=') {
            return arg.clone();
        }
        shell_words::quote(arg).into_owned()
    };
    argv.iter().map(quoted).collect()
}

/// A line of a script, with nothing left out: what is not plain ASCII is spelled out.
pub fn script_line(line: &str) -> String {
    if line.chars().all(printable) { line.to_owned() } else { line.chars().map(spelled).collect() }
}

fn printable(c: char) -> bool {
    (' '..='~').contains(&c)
}

/// A character, or its escape.
fn spelled(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if printable(c) => c.to_string(),
        c if u32::from(c) <= 0xffff => format!("\\u{:04x}", u32::from(c)),
        c => format!("\\U{:08x}", u32::from(c)),
    }
}

/// Time left, to the second: `1:42`, `14:05`.
pub fn left(until: Timestamp, now: Timestamp) -> String {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    // What is left counts until it is over.
    let seconds = left.as_millis().div_ceil(1_000);
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// How long until [`left`] reads differently.
pub fn left_changes_in(until: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    let part = left.as_nanos() % 1_000_000_000;
    let part = if part == 0 { 1_000_000_000 } else { part };
    Duration::from_nanos(u64::try_from(part).unwrap_or(1_000_000_000)).min(left)
}

/// When it was: the time today, the day before that.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    let today = at.strftime("%F").to_string() == now.strftime("%F").to_string();
    at.strftime(if today { "%H:%M:%S" } else { "%m-%d %H:%M" }).to_string()
}

/// A command for a line with little room: the program without its folder, and without the options
/// in front of what it is told to do.
pub fn short(line: &str) -> String {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or(program);
    let mut words = words.peekable();
    while words.peek().is_some_and(|word| word.starts_with("--")) {
        words.next();
    }
    let rest: Vec<_> = words.collect();
    // Nothing but options: then they are what it is about.
    if rest.is_empty() { line.to_owned() } else { format!("{program} {}", rest.join(" ")) }
}

/// A proposal as plain text; its patch, where a repository owns the object.
pub fn proposal_report(p: &Proposal) -> String {
    if let Some(patch) = &p.patch {
        return patch.to_string();
    }
    let mut out = format!("{}\n{}\n{}\n", title(p.kind, &p.target), changes(&p.changes, "->"), p.why);
    if let Some(forecast) = &p.forecast {
        let met = format::probability(forecast.p_slo_met);
        out.push_str(&format!("predicted {}, P(SLO met) {met}\n", words::interval(forecast)));
    }
    for o in &p.obstacles {
        out.push_str(&format!("{}: {}\n", weight(o.weight), o.text));
    }
    out
}

/// An operation as plain text.
pub fn operation_report(o: &Operation) -> String {
    let mut out = format!(
        "{} by {}: {}\n{}\n{}",
        o.started.strftime("%F %H:%M:%S UTC"),
        o.by,
        title(o.kind, &o.target),
        changes(&o.changes, "->"),
        outcome(o),
    );
    for text in outcome_why(o).map(ToString::to_string).into_iter().chain(verified(o)) {
        out.push_str(&format!("\n{text}"));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_counts_down_to_nothing() {
        let now: Timestamp = "2026-03-02T03:12:40Z".parse().unwrap();
        let at = |ms: i64| now + jiff::SignedDuration::from_millis(ms);
        assert_eq!(left(at(120_000), now), "2:00");
        assert_eq!(left(at(119_999), now), "2:00");
        assert_eq!(left(at(1), now), "0:01");
        assert_eq!(left(at(-5_000), now), "0:00");
        assert_eq!(left_changes_in(at(119_400), now), Duration::from_millis(400));
        assert_eq!(left_changes_in(at(119_000), now), Duration::from_secs(1));
    }

    #[test]
    fn arguments_show_what_hides() {
        let argv = ["--a=b", "", "it's", "tab\there", "\u{202e}\\x", "👩"].map(str::to_owned);
        let shown = ["--a=b", "''", "'it'\\''s'", "$'tab\\there'", "$'\\u202e\\\\x'", "$'\\U0001f469'"];
        assert_eq!(arguments(&argv), shown);
    }

    proptest! {
        /// Read by a shell, what is shown is what would be run.
        #[test]
        fn arguments_are_told_apart(argv in prop::collection::vec("[ -~]{0,12}", 1..8)) {
            prop_assert_eq!(shell_words::split(&arguments(&argv).join(" ")).unwrap(), argv);
        }

        #[test]
        fn no_two_arguments_look_alike(a in ".{0,8}", b in ".{0,8}") {
            let [shown_a, shown_b] = [&a, &b].map(|arg| arguments(std::slice::from_ref(arg)));
            prop_assert_eq!(shown_a == shown_b, a == b);
            prop_assert!(shown_a[0].chars().all(printable));
        }
    }
}
