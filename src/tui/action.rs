//! Everything a key can do. The keymap file, the help, the footer and the tests read this one list.

use super::state::Screen;

/// Heading under which the help lists an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Moving the cursor.
    Move,
    /// Going from screen to screen.
    Go,
    /// Asking something of the engine.
    Ask,
    /// Changing the cluster.
    Change,
    /// How things are shown.
    Show,
    /// The program itself.
    Program,
}

impl Group {
    /// In the order of the help.
    pub const ALL: [Self; 6] = [Self::Move, Self::Go, Self::Ask, Self::Change, Self::Show, Self::Program];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Go => "Go",
            Self::Ask => "Ask",
            Self::Change => "Change",
            Self::Show => "Show",
            Self::Program => "Program",
        }
    }
}

/// Where an action does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every screen.
    Anywhere,
    /// On these screens only.
    On(&'static [Screen]),
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal, $hint:literal, $group:ident, $scope:expr;)+) => {
        /// What a key can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Action {
            /// All of them, in the order of the help.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in keymap files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One or two words for the footer.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint),+ }
            }

            /// A sentence for the help.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// Heading in the help.
            pub fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group),+ }
            }

            /// Where it does something.
            pub fn scope(self) -> Scope {
                match self { $(Self::$variant => $scope),+ }
            }
        }
    };
}

// The doc comment of an action is its line in the help.
actions! {
    /// One line up.
    Up => "up", "up", Move, Scope::Anywhere;
    /// One line down.
    Down => "down", "down", Move, Scope::Anywhere;
    /// One page up.
    PageUp => "page-up", "page up", Move, Scope::Anywhere;
    /// One page down.
    PageDown => "page-down", "page down", Move, Scope::Anywhere;
    /// To the first line.
    Top => "top", "top", Move, Scope::Anywhere;
    /// To the last line.
    Bottom => "bottom", "bottom", Move, Scope::Anywhere;
    /// Fold the branch, or go to its parent. Graph: to the caller. What-if: less of it.
    Fold => "fold", "fold", Move, Scope::On(&[Screen::Tree, Screen::WhatIf]);
    /// Unfold the branch, or go to its first child. Graph: to a callee. What-if: more of it.
    Unfold => "unfold", "unfold", Move, Scope::On(&[Screen::Tree, Screen::WhatIf]);
    /// Fold or unfold the branch.
    Toggle => "toggle", "fold", Move, Scope::On(&[Screen::Tree]);
    /// Unfold everything, or fold all but the entry.
    ToggleAll => "toggle-all", "fold all", Move, Scope::On(&[Screen::Tree]);
    /// Go one level deeper: SLO, dependency tree, service; proposal, review. Press a button.
    Open => "open", "open", Go, Scope::Anywhere;
    /// Close what is open, or go one level back.
    Back => "back", "back", Go, Scope::Anywhere;
    /// Next SLO, on the same screen. In a dialog: next field or button.
    NextSlo => "next-slo", "next SLO", Go, Scope::Anywhere;
    /// Previous SLO, on the same screen. In a dialog: previous field or button.
    PreviousSlo => "previous-slo", "prev. SLO", Go, Scope::Anywhere;
    /// Table of SLOs.
    ShowSlos => "show-slos", "SLOs", Go, Scope::Anywhere;
    /// Dependency tree of the selected SLO.
    ShowTree => "show-tree", "tree", Go, Scope::Anywhere;
    /// Verdict on the selected SLO; asks for one if there is none.
    ShowVerdict => "show-verdict", "why", Go, Scope::Anywhere;
    /// What could be done about it, and what was done.
    ShowActions => "show-actions", "actions", Go, Scope::Anywhere;
    /// Every command that was run.
    ShowCommands => "show-commands", "commands", Go, Scope::Anywhere;
    /// Look at the next context (cluster) of the configuration.
    NextContext => "next-context", "context", Go, Scope::Anywhere;
    /// Find anything by a few letters: what can be done, SLOs, services, contexts, themes.
    Palette => "palette", "palette", Go, Scope::Anywhere;
    /// What happened: incidents, verdicts, changes, models, own actions; enter goes to that moment.
    ShowTimeline => "show-timeline", "timeline", Go, Scope::Anywhere;
    /// Next older incident.
    OlderIncident => "older-incident", "older incident", Go, Scope::On(&[Screen::Timeline]);
    /// Next newer incident.
    NewerIncident => "newer-incident", "newer incident", Go, Scope::On(&[Screen::Timeline]);
    /// Everything one window back in time.
    StepBack => "step-back", "back in time", Go, Scope::Anywhere;
    /// Everything one window forward in time.
    StepForward => "step-forward", "forward", Go, Scope::Anywhere;
    /// Play the past forward window by window, until an SLO changes its state; again: faster.
    Play => "play", "play", Go, Scope::Anywhere;
    /// Play slower; at the slowest: stop.
    PlaySlower => "play-slower", "slower", Go, Scope::Anywhere;
    /// Everything back to the present.
    Now => "now", "now", Go, Scope::Anywhere;
    /// Doctor: backends, the model and its training, which metrics have data.
    ShowDoctor => "show-doctor", "doctor", Go, Scope::Anywhere;
    /// What the program had to say: failures, warnings, changes.
    ShowLog => "show-log", "log", Go, Scope::Anywhere;
    /// What if the service had more replicas, CPU or memory, or a quieter neighbour.
    ShowWhatIf => "what-if", "what if", Go, Scope::Anywhere;
    /// Ask for a new verdict on the selected SLO.
    Diagnose => "diagnose", "ask again", Ask, Scope::Anywhere;
    /// Fetch again now.
    Refresh => "refresh", "refresh", Ask, Scope::Anywhere;
    /// Train the model again from what is stored.
    Retrain => "retrain", "retrain", Ask, Scope::Anywhere;
    /// Fetch the slowest trace through the service; again: back to the chart.
    ShowTrace => "show-trace", "trace", Ask, Scope::On(&[Screen::Service]);
    /// Back to how everything is: nothing changed.
    Reset => "reset", "reset", Ask, Scope::On(&[Screen::WhatIf]);
    /// Make approving possible for a while (type the context's name), or impossible again at once.
    Arm => "arm", "arm", Change, Scope::Anywhere;
    /// Show exactly what would take the operation back, to approve it.
    Undo => "undo", "undo", Change, Scope::On(&[Screen::Actions]);
    /// Keep a change that would take itself back.
    Keep => "keep", "keep", Change, Scope::On(&[Screen::Actions]);
    /// Show only lines that contain a text; Enter keeps it, Esc clears it.
    Filter => "filter", "filter", Show, Scope::Anywhere;
    /// Freeze the picture; data keeps flowing in behind it.
    Pause => "pause", "pause", Show, Scope::Anywhere;
    /// Sort worst first, or in the order of the configuration; the tree: slowest call first, or by name.
    Sort => "sort", "sort", Show, Scope::On(&[Screen::Slos, Screen::Tree]);
    /// Draw the calls as a graph where there is room, or as a tree.
    Graph => "graph", "graph", Show, Scope::On(&[Screen::Tree]);
    /// Next colour theme.
    NextTheme => "next-theme", "theme", Show, Scope::Anywhere;
    /// Copy what is shown to the clipboard of your terminal (OSC 52).
    Copy => "copy", "copy", Show, Scope::Anywhere;
    /// Draw the whole screen again.
    Redraw => "redraw", "redraw", Program, Scope::Anywhere;
    /// Show or hide this help.
    Help => "help", "help", Program, Scope::Anywhere;
    /// Stop the program and go back to the shell; `fg` continues it.
    Suspend => "suspend", "suspend", Program, Scope::Anywhere;
    /// Leave.
    Quit => "quit", "quit", Program, Scope::Anywhere;
}

impl Action {
    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.name() == name)
    }

    /// Whether it does something on `screen`.
    pub fn applies(self, screen: Screen) -> bool {
        match self.scope() {
            Scope::Anywhere => true,
            Scope::On(screens) => screens.contains(&screen),
        }
    }

    /// What the footer of a screen offers, most useful first.
    pub fn hints(screen: Screen) -> &'static [Self] {
        match screen {
            Screen::Slos => &[
                Self::Help,
                Self::Open,
                Self::ShowVerdict,
                Self::Filter,
                Self::Sort,
                Self::Palette,
                Self::Pause,
                Self::Refresh,
                Self::NextTheme,
                Self::Quit,
            ],
            Screen::Tree => &[
                Self::Help,
                Self::Open,
                Self::ShowVerdict,
                Self::Graph,
                Self::Back,
                Self::Toggle,
                Self::Filter,
                Self::NextSlo,
                Self::Palette,
                Self::Pause,
                Self::Refresh,
                Self::Quit,
            ],
            Screen::Verdict => &[
                Self::Help,
                Self::Open,
                Self::ShowWhatIf,
                Self::ShowActions,
                Self::Diagnose,
                Self::Back,
                Self::Copy,
                Self::NextSlo,
                Self::Filter,
                Self::Palette,
                Self::Pause,
                Self::Quit,
            ],
            Screen::Actions => &[
                Self::Help,
                Self::Open,
                Self::Undo,
                Self::Arm,
                Self::Back,
                Self::ShowCommands,
                Self::NextSlo,
                Self::Copy,
                Self::Palette,
                Self::Quit,
            ],
            Screen::Commands => &[
                Self::Help,
                Self::Back,
                Self::Copy,
                Self::Filter,
                Self::Palette,
                Self::Top,
                Self::Bottom,
                Self::Quit,
            ],
            Screen::Service => &[
                Self::Help,
                Self::ShowTrace,
                Self::ShowWhatIf,
                Self::ShowVerdict,
                Self::Back,
                Self::Filter,
                Self::Copy,
                Self::Pause,
                Self::Quit,
            ],
            Screen::WhatIf => &[
                Self::Help,
                Self::Unfold,
                Self::Fold,
                Self::Open,
                Self::Reset,
                Self::ShowActions,
                Self::Back,
                Self::Copy,
                Self::Quit,
            ],
            Screen::Doctor => &[
                Self::Help,
                Self::Refresh,
                Self::Retrain,
                Self::Back,
                Self::Filter,
                Self::ShowLog,
                Self::Quit,
            ],
            Screen::Log => {
                &[Self::Help, Self::Back, Self::Filter, Self::Copy, Self::Top, Self::Bottom, Self::Quit]
            }
            Screen::Timeline => &[
                Self::Help,
                Self::Open,
                Self::Now,
                Self::OlderIncident,
                Self::StepBack,
                Self::StepForward,
                Self::Play,
                Self::Filter,
                Self::Back,
                Self::Quit,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (i, action) in Action::ALL.iter().enumerate() {
            assert_eq!(Action::from_name(action.name()), Some(*action));
            assert!(Action::ALL[..i].iter().all(|a| a.name() != action.name()), "{action:?}");
            assert!(!action.help().is_empty());
        }
    }

    #[test]
    fn footers_offer_only_what_works_there() {
        for screen in Screen::ALL {
            assert!(Action::hints(screen).iter().all(|a| a.applies(screen)), "{screen:?}");
            assert_eq!(Action::hints(screen).first(), Some(&Action::Help));
        }
    }
}
