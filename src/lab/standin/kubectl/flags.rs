//! Command lines as kubectl reads them: flags anywhere, `--name value` or `--name=value`.

/// What a flag is followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// A value.
    Value,
    /// Nothing, unless `=true` or `=false`.
    Nothing,
    /// Nothing, unless `=…`; alone it means this.
    Optional(&'static str),
}
use Takes::{Nothing, Optional, Value};

/// Name, one-letter form, what follows, and the commands that know it (none: all do).
type Flag = (&'static str, Option<char>, Takes, &'static [&'static str]);

const WRITES: &[&str] = &["patch", "scale", "annotate", "autoscale", "rollout", "create", "delete"];
const PRINTS: &[&str] = &[
    "get",
    "patch",
    "scale",
    "annotate",
    "autoscale",
    "rollout",
    "create",
    "delete",
    "version",
    "api-resources",
    "config",
];
const MANAGED: &[&str] = &["get", "patch", "scale", "annotate", "autoscale", "rollout", "create"];
const SELECTS: &[&str] = &["get", "annotate", "scale", "rollout", "delete"];

/// The flags that the stand-in understands; others it refuses, rather than do something else than
/// was asked for.
const FLAGS: [Flag; 45] = [
    ("kubeconfig", None, Value, &[]),
    ("context", None, Value, &[]),
    ("cluster", None, Value, &[]),
    ("user", None, Value, &[]),
    ("namespace", Some('n'), Value, &[]),
    ("request-timeout", None, Value, &[]),
    ("cache-dir", None, Value, &[]),
    ("v", Some('v'), Value, &[]),
    ("warnings-as-errors", None, Nothing, &[]),
    ("output", Some('o'), Value, PRINTS),
    ("show-managed-fields", None, Nothing, MANAGED),
    ("dry-run", None, Optional("unchanged"), WRITES),
    ("field-manager", None, Value, WRITES),
    ("selector", Some('l'), Value, SELECTS),
    ("all", None, Nothing, SELECTS),
    ("filename", Some('f'), Value, &["create"]),
    ("validate", None, Optional("true"), &["create"]),
    ("container", Some('c'), Value, &["exec"]),
    ("field-selector", None, Value, &["get"]),
    ("all-namespaces", Some('A'), Nothing, &["get", "auth"]),
    ("ignore-not-found", None, Nothing, &["get", "delete"]),
    ("no-headers", None, Nothing, &["get", "api-resources"]),
    ("chunk-size", None, Value, &["get"]),
    ("show-labels", None, Nothing, &["get"]),
    ("watch", Some('w'), Nothing, &["get", "rollout"]),
    ("subresource", None, Value, &["get", "patch", "auth"]),
    ("type", None, Value, &["patch"]),
    ("patch", Some('p'), Value, &["patch"]),
    ("patch-file", None, Value, &["patch"]),
    ("replicas", None, Value, &["scale"]),
    ("current-replicas", None, Value, &["scale"]),
    ("resource-version", None, Value, &["scale", "annotate"]),
    ("timeout", None, Value, &["scale", "rollout", "delete"]),
    ("overwrite", None, Nothing, &["annotate"]),
    ("min", None, Value, &["autoscale"]),
    ("max", None, Value, &["autoscale"]),
    ("cpu-percent", None, Value, &["autoscale"]),
    ("name", None, Value, &["autoscale"]),
    ("to-revision", None, Value, &["rollout"]),
    ("revision", None, Value, &["rollout"]),
    ("client", None, Nothing, &["version"]),
    ("minify", None, Nothing, &["config"]),
    ("quiet", Some('q'), Nothing, &["auth"]),
    ("api-group", None, Value, &["api-resources"]),
    ("namespaced", None, Nothing, &["api-resources"]),
];

/// A command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What is no flag: the command and its arguments.
    pub words: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

impl Line {
    /// Reads the arguments; the message says what is wrong with them.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let mut line = Self::default();
        let mut wrong = None;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                line.words.extend(args.by_ref().cloned());
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                match FLAGS.iter().find(|flag| flag.0 == name) {
                    Some(flag) => line.push(flag, value, || args.next().cloned(), &format!("--{name}"))?,
                    None => wrong = wrong.or(Some(format!("unknown flag: --{name}"))),
                }
            } else if arg.len() > 1 && arg.starts_with('-') {
                line.short(&arg[1..], &mut args, &mut wrong)?;
            } else {
                line.words.push(arg.clone());
            }
        }
        let command = line.words.first().map_or("", String::as_str);
        let misplaced = line.flags.iter().find(|(name, _)| {
            FLAGS.iter().any(|flag| flag.0 == *name && !flag.3.is_empty() && !flag.3.contains(&command))
        });
        if let Some((name, _)) = misplaced {
            wrong = wrong.or(Some(format!("unknown flag: --{name}")));
        }
        match wrong {
            Some(message) => Err(format!("error: {message}\nSee '{}' for usage.", help(command))),
            None => Ok(line),
        }
    }

    fn short<'a>(
        &mut self,
        letters: &str,
        args: &mut impl Iterator<Item = &'a String>,
        wrong: &mut Option<String>,
    ) -> Result<(), String> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let Some(flag) = FLAGS.iter().find(|flag| flag.1 == Some(letter)) else {
                *wrong = wrong.take().or(Some(format!("unknown shorthand flag: {letter:?} in -{letters}")));
                return Ok(());
            };
            let value = (flag.2 == Value && !rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
            self.push(flag, value, || args.next().cloned(), &format!("{letter:?} in -{letters}"))?;
            if value.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        flag: &Flag,
        value: Option<&str>,
        next: impl FnOnce() -> Option<String>,
        shown: &str,
    ) -> Result<(), String> {
        let value = match (value, flag.2) {
            (Some(value), _) => value.to_owned(),
            (None, Nothing) => "true".to_owned(),
            (None, Optional(default)) => default.to_owned(),
            (None, Value) => next()
                .ok_or(format!("error: flag needs an argument: {shown}\nSee 'kubectl --help' for usage."))?,
        };
        self.flags.push((flag.0, value));
        Ok(())
    }

    /// The value given last to a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    /// A flag's whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            let command = self.words.first().map_or("", String::as_str);
            format!(
                "error: invalid argument {value:?} for \"--{name}\" flag: strconv.ParseInt: parsing {value:?}: invalid \
                 syntax\nSee '{}' for usage.",
                help(command)
            )
        })
    }

    /// The same flags with other words.
    pub fn with_words(&self, words: Vec<String>) -> Self {
        Self { words, flags: self.flags.clone() }
    }

    /// The arguments behind the command (and its subcommand, where it has one).
    pub fn arguments(&self, from: usize) -> &[String] {
        self.words.get(from..).unwrap_or_default()
    }
}

fn help(command: &str) -> String {
    if command.is_empty() { "kubectl --help".to_owned() } else { format!("kubectl {command} --help") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(line: &str) -> Result<Line, String> {
        Line::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_stand_anywhere() {
        let line = parse("--context=lab -n shop get -ojson pods/a --show-managed-fields -A -- -b").unwrap();
        assert_eq!(line.words, ["get", "pods/a", "-b"]);
        assert_eq!(
            (line.get("context"), line.get("namespace"), line.get("output")),
            (Some("lab"), Some("shop"), Some("json"))
        );
        assert!(line.on("show-managed-fields") && line.on("all-namespaces") && !line.on("watch"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(
            parse("get --frob").unwrap_err(),
            "error: unknown flag: --frob\nSee 'kubectl get --help' for usage."
        );
        assert!(parse("get --replicas=2").is_err());
        assert!(parse("get -x").unwrap_err().contains("unknown shorthand flag: 'x' in -x"));
        assert!(parse("get -n").unwrap_err().contains("flag needs an argument: 'n' in -n"));
        assert!(parse("scale --replicas=x").unwrap().number("replicas").is_err());
    }
}
