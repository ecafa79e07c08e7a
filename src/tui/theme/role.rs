//! What a piece of the screen means; themes give each meaning a style.

macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal;)+) => {
        /// What a piece of the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Role {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The role of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|r| r.name() == name)
            }
        }
    };
}

roles! {
    /// Ordinary text, and the ground everything stands on.
    Text => "text";
    /// Units, column heads, what can be skipped.
    Muted => "muted";
    /// Headings.
    Title => "title";
    /// Tree lines and rules.
    Guide => "guide";
    /// The name and context at the top.
    Header => "header";
    /// The screen one is on.
    Active => "active";
    /// A key in the footer and the help.
    Key => "key";
    /// The line under the cursor; laid over the styles of its cells.
    Selected => "selected";
    /// The letters of a line that were searched for; laid over the styles of its cells.
    Matched => "matched";
    /// Objective met, backend up.
    Ok => "ok";
    /// No data: never shown as good.
    Unknown => "unknown";
    /// Budget burns too fast, backend degraded.
    Burning => "burning";
    /// Objective violated, backend down.
    Breached => "breached";
    /// Too old to be trusted.
    Stale => "stale";
    /// Unusual, perhaps to blame.
    Suspect => "suspect";
    /// Named by the verdict.
    Culprit => "culprit";
    /// Bars, progress, sparklines.
    Bar => "bar";
    /// The part of a sparkline that is over the objective.
    Over => "over";
    /// A remark of the program.
    Notice => "notice";
    /// Something went wrong.
    Failure => "failure";
    /// The PAUSED mark.
    Paused => "paused";
    /// The ARMED mark: changes can be approved.
    Armed => "armed";
    /// The AT mark of a fixed past moment.
    Frozen => "frozen";
}
