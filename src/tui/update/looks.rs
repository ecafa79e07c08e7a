//! How things are shown, and what is taken from the screen: themes, copies.

use crate::domain::Clean;
use crate::tui::clipboard::Copied;
use crate::tui::state::{Notice, State};
use crate::tui::watch::Changed;

/// The next theme.
pub(super) fn next_theme(state: &mut State) {
    state.themes.step();
    let name = Clean::new(state.themes.current().name());
    state.say(format!("theme {name}"));
}

/// Something was copied. No terminal tells whether it took it, so it is said where else the text is.
pub(super) fn copied(state: &mut State, copied: &Copied) {
    let file = copied.file.as_ref().map(|file| match file {
        Ok(path) => Ok(Clean::new(&path.display().to_string())),
        Err(why) => Err(Clean::new(why)),
    });
    let (text, failure) = match (copied.sent, file) {
        (true, Some(Ok(path))) => {
            (format!("copied, if your terminal allows it (OSC 52), and written to {path}"), false)
        }
        (true, Some(Err(why))) => (format!("copied, if your terminal allows it (OSC 52), but {why}"), false),
        (true, None) => return,
        (false, Some(Ok(path))) => (format!("too long for the clipboard: it is in {path}"), false),
        (false, Some(Err(why))) => (format!("too long for the clipboard, and {why}"), true),
        (false, None) => ("not copied: it is too long for the clipboard".to_owned(), true),
    };
    state.notice = Some(Notice { text, failure, since: state.now });
}

/// A theme file was written: what it says counts at once, unless it says it wrongly.
pub(super) fn reread(state: &mut State, changed: &Changed) {
    let wrong = match &changed.text {
        Ok(text) => match state.themes.read(&changed.file, text) {
            Ok(name) => return state.say(format!("theme {} was read again", Clean::new(&name))),
            Err(problems) => problems.brief().unwrap_or_default(),
        },
        Err(why) => format!("cannot read {}: {}", Clean::new(&changed.file), Clean::new(why)),
    };
    let text = format!("the old theme stays: {wrong}");
    state.notice = Some(Notice { text, failure: true, since: state.now });
}
