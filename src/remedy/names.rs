//! Names that may stand in a command: checked, never repaired.
//!
//! Each type holds only what its rule lets through, so that a command built from them has no word that
//! is anything but a name: none begins with `-`, none holds a space, a quote, a slash or a control
//! character. The rules are those of the Kubernetes API (object names, labels), useradd(8), resctrl and
//! systemd, narrowed where ours need less.

use std::fmt;
use std::net::IpAddr;

/// A name that breaks the rule of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: refused rather than repaired")]
pub struct NameError {
    /// What it should have been.
    what: &'static str,
    /// What it was, shortened.
    text: String,
}

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// It breaks the rule.
            pub fn new(text: &str) -> Result<Self, NameError> {
                let rule: fn(&str) -> bool = $rule;
                if rule(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { what: $what, text: text.chars().take(64).collect() })
                }
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// `first`, then any number of `inner` that do not end the name, then `first` again; at most `most` bytes.
fn framed(text: &str, most: usize, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if edge(*first) && edge(*last))
        && bytes.len() <= most
        && bytes.iter().all(|byte| inner(*byte))
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn lower_dash(byte: u8) -> bool {
    lower(byte) || byte == b'-'
}

fn lower_dash_dot(byte: u8) -> bool {
    lower_dash(byte) || byte == b'.'
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The first byte by `first`, the others by `rest`; at most `most` bytes.
fn led(text: &str, most: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [head, tail @ ..] => first(*head) && tail.len() < most && tail.iter().all(|byte| rest(*byte)),
        [] => false,
    }
}

checked!(
    /// Name of an object.
    ObjectName,
    "the name of a Kubernetes object",
    |text| framed(text, 253, lower, lower_dash_dot)
);
checked!(
    /// Name of a namespace or a container.
    Label,
    "the name of a namespace or container",
    |text| framed(text, 63, lower, lower_dash)
);
checked!(
    /// Name of a kubeconfig's context. Providers use colons, slashes and `@` in it; it is always the value
    /// behind `--context=`, so that only what no terminal shows is refused.
    ContextName,
    "the name of a kubeconfig's context",
    |text| !text.is_empty() && text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_graphic())
);
checked!(
    /// Name or address of a machine.
    Host,
    "the name or address of a machine",
    |text| framed(text, 253, alphanumeric, |byte| alphanumeric(byte) || byte == b'-' || byte == b'.')
        || text.parse::<IpAddr>().is_ok()
);
checked!(
    /// Name of a user who logs in.
    User,
    "the name of a user",
    |text| led(
        text,
        32,
        |byte| byte.is_ascii_lowercase() || byte == b'_',
        |byte| lower_dash(byte) || byte == b'_'
    )
);
checked!(
    /// Id of a container, without the runtime's prefix.
    ContainerId,
    "the id of a container (64 hexadecimal digits)",
    |text| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
);
checked!(
    /// Name of a network interface.
    Interface,
    "the name of a network interface",
    |text| led(text, 15, alphanumeric, |byte| alphanumeric(byte) || matches!(byte, b'_' | b'.' | b'-'))
);
checked!(
    /// Name of a resctrl group of ours.
    ResctrlGroup,
    "the name of a resctrl group of sagetop's",
    |text| text.strip_prefix("sagetop-").is_some_and(|rest| led(rest, 24, lower, lower))
);
checked!(
    /// Name of a systemd scope or slice.
    Unit,
    "the name of a systemd scope or slice",
    |text| [".scope", ".slice"].iter().any(|suffix| text.strip_suffix(suffix).is_some_and(|stem| {
        let fine = |byte: u8| alphanumeric(byte) || matches!(byte, b':' | b'_' | b'.' | b'\\' | b'-');
        led(stem, 249, |byte| byte != b'-' && (alphanumeric(byte) || b":_.\\".contains(&byte)), fine)
    }))
);
checked!(
    /// Identity of an object: a UUID, or what a server uses instead.
    Uid,
    "the uid of an object",
    |text| framed(text, 64, alphanumeric, |byte| alphanumeric(byte) || byte == b'-')
);
checked!(
    /// Version of an object, opaque.
    ResourceVersion,
    "the resourceVersion of an object",
    |text| !text.is_empty() && text.len() <= 64 && text.bytes().all(alphanumeric)
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// The rules as regular expressions, and the checks beside them.
    static RULES: LazyLock<Vec<(Regex, fn(&str) -> bool)>> = LazyLock::new(|| {
        let pair =
            |rule: &str, check: fn(&str) -> bool| (Regex::new(&format!("^(?:{rule})\\z")).unwrap(), check);
        vec![
            pair("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", |text| ObjectName::new(text).is_ok()),
            pair("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", |text| Label::new(text).is_ok()),
            pair("[a-z_][a-z0-9_-]{0,31}", |text| User::new(text).is_ok()),
            pair("[0-9a-f]{64}", |text| ContainerId::new(text).is_ok()),
            pair("[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", |text| Interface::new(text).is_ok()),
            pair("sagetop-[a-z0-9]{1,24}", |text| ResctrlGroup::new(text).is_ok()),
            // Narrower than systemd's: no unit begins with a dash, which would read as an option.
            pair(r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\-]{0,248}\.(scope|slice)", |text| Unit::new(text).is_ok()),
        ]
    });

    #[test]
    fn what_must_not_pass_does_not() {
        let hostile = [
            "",
            "-",
            "--all",
            "-n",
            "a b",
            "a/b",
            "../x",
            "a;id",
            "a$(id)",
            "a`id`",
            "a\nb",
            "a\0b",
            "é",
            "A'b",
            "a\u{202e}b",
            "\u{1b}[31m",
            "a,b",
            "a=b",
            "@file",
            "*",
            ".",
            "..",
            "a\\",
            "–a",
            "a--\t",
        ];
        for text in hostile {
            let passes = [
                ObjectName::new(text).is_ok(),
                Label::new(text).is_ok(),
                Host::new(text).is_ok(),
                User::new(text).is_ok(),
                ContainerId::new(text).is_ok(),
                Interface::new(text).is_ok(),
                ResctrlGroup::new(text).is_ok(),
                Unit::new(text).is_ok(),
                Uid::new(text).is_ok(),
                ResourceVersion::new(text).is_ok(),
            ];
            assert_eq!(passes, [false; 10], "{text:?}");
        }
        assert!(Host::new("fe80::1").is_ok() && Host::new("10.0.0.1").is_ok() && Host::new("-x").is_err());
        let context = ContextName::new("arn:aws:eks:eu-west-1:1:cluster/prod");
        assert_eq!(context.unwrap().as_str(), "arn:aws:eks:eu-west-1:1:cluster/prod");
        assert!(ContextName::new("a b").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn checks_are_their_rules(text in prop_oneof![
            "[a-z0-9.-]{0,70}", "[a-zA-Z0-9_.:\\\\-]{0,40}(\\.scope|\\.slice)?", "sagetop-[a-z0-9-]{0,30}",
            "[0-9a-f]{62,66}", "(?s).{0,12}",
        ]) {
            for (rule, check) in RULES.iter() {
                prop_assert_eq!(rule.is_match(&text), check(&text), "{} {:?}", rule, text);
            }
        }

        #[test]
        fn nothing_that_passes_reads_as_an_option(text in "(?s)-.{0,20}") {
            prop_assert!(ObjectName::new(&text).is_err() && Label::new(&text).is_err());
            prop_assert!(Host::new(&text).is_err() && User::new(&text).is_err());
            prop_assert!(Unit::new(&text).is_err() && Interface::new(&text).is_err());
        }
    }
}
