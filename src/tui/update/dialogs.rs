//! Keys in the dialog before a change and in the question for the context's name.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::{moves, remedy};
use crate::engine::Request;
use crate::remedy::Ask;
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::keymap::Chord;
use crate::tui::remedy_words;
use crate::tui::review::{Focus, Go};
use crate::tui::state::State;
use crate::tui::view;

/// Longest text of a field, in characters.
const FIELD_MAX: usize = 300;

/// A key while one of the dialogs is open.
pub(super) fn press(state: &mut State, key: KeyEvent, chord: Chord) -> Vec<Effect> {
    let action = state.keymap.action(chord);
    // These do the same everywhere; letters are text where there is a field for it.
    if chord.typed().is_none() {
        match action {
            Some(Action::Quit) => return vec![Effect::Quit],
            Some(Action::Suspend) => return vec![Effect::Suspend],
            Some(Action::Redraw) => return vec![Effect::Redraw],
            _ => {}
        }
    }
    if state.arming.is_some() {
        return arming(state, key, chord);
    }
    // Whatever comes right after a press of Apply, the press was not one that stood alone.
    let now = state.now;
    if let Some(review) = &mut state.review
        && review.release()
    {
        review.disturb(now);
    }
    match state.review.as_ref().map(|r| r.focus) {
        Some(Focus::Field(at)) if is_text(chord) => {
            let field = state.review.as_mut().and_then(|r| r.fields.get_mut(at)).map(|(_, input)| input);
            let too_fast = field.is_some_and(|input| edit(input, key, state.rhythm.is_burst()));
            if too_fast {
                state.say("that came too fast to be typed: type it");
            }
            Vec::new()
        }
        Some(Focus::Field(_)) if chord.code() == KeyCode::Enter => {
            state.say("enter does not approve here: tab leads to the buttons");
            Vec::new()
        }
        Some(focus) => act(state, key, chord, action, focus),
        None => Vec::new(),
    }
}

/// Whether a key belongs to a field rather than to the dialog.
fn is_text(chord: Chord) -> bool {
    let edits = matches!(
        chord.code(),
        KeyCode::Backspace | KeyCode::Delete | KeyCode::Left | KeyCode::Right | KeyCode::Home | KeyCode::End
    );
    chord.typed().is_some() || edits
}

/// Edits a field; text that comes faster than it can be typed empties it. Returns whether it did.
fn edit(input: &mut Input, key: KeyEvent, burst: bool) -> bool {
    if burst {
        input.reset();
        return true;
    }
    if input.value().chars().count() < FIELD_MAX || !matches!(key.code, KeyCode::Char(_)) {
        input.handle_event(&TerminalEvent::Key(key));
    }
    false
}

fn act(state: &mut State, key: KeyEvent, chord: Chord, action: Option<Action>, focus: Focus) -> Vec<Effect> {
    let extent = view::review_extent(state);
    let Some(review) = &mut state.review else { return Vec::new() };
    match action {
        Some(Action::NextSlo | Action::Unfold) => review.step(true),
        Some(Action::PreviousSlo | Action::Fold) => review.step(false),
        Some(
            action @ (Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::Top
            | Action::Bottom),
        ) => {
            let last = extent.lines.saturating_sub(extent.page);
            let at = review.offset.min(last);
            review.offset = moves::target(action, at, last + 1, extent.page);
        }
        Some(Action::Back | Action::Quit) => return remedy::cancel(state),
        Some(Action::NextTheme) => state.themes.step(),
        Some(Action::Arm) => return remedy::arm(state),
        Some(Action::Copy) => {
            let text = remedy_words::arguments(&review.plan.step.argv).join(" ");
            state.say("command copied, if your terminal allows it (OSC 52)");
            return vec![Effect::Copy(text)];
        }
        Some(Action::Open) => return button(state, key, focus),
        _ => state.say(format!("{chord} does nothing in this dialog; esc closes it")),
    }
    Vec::new()
}

/// A button is pressed. A held key and a burst press none.
fn button(state: &mut State, key: KeyEvent, focus: Focus) -> Vec<Effect> {
    let now = state.now;
    let held = key.kind == KeyEventKind::Repeat || state.rhythm.is_quick();
    let Some(review) = &mut state.review else { return Vec::new() };
    if held || review.deaf_for(now).is_some() {
        // Each press that comes too early starts the wait again: a held key never gets through.
        review.disturb(now);
        state.say("too fast to be meant: look, wait a moment, and press again");
        return Vec::new();
    }
    match (focus, review.go) {
        (Focus::Field(_) | Focus::Cancel, _) => remedy::cancel(state),
        (Focus::Go, Go::Arm) => remedy::arm(state),
        (Focus::Go, Go::Again) => remedy::review_again(state),
        (Focus::Go, Go::Apply) => match remedy::held_back(state) {
            Some(why) => {
                state.say(format!("nothing runs yet: {why}"));
                Vec::new()
            }
            None => {
                if let Some(review) = &mut state.review {
                    review.press(now);
                }
                Vec::new()
            }
        },
    }
}

/// The question for the context's name.
fn arming(state: &mut State, key: KeyEvent, chord: Chord) -> Vec<Effect> {
    let burst = state.rhythm.is_burst();
    let quick = key.kind == KeyEventKind::Repeat || state.rhythm.is_quick();
    let Some(arming) = &mut state.arming else { return Vec::new() };
    match chord.code() {
        KeyCode::Esc => {
            state.arming = None;
            state.say("not armed: nothing can be written");
        }
        KeyCode::Enter if quick => {}
        KeyCode::Enter if arming.input.value() == arming.name.as_str() => {
            let name = arming.name.clone();
            state.arming = None;
            state.say("arming");
            return vec![Effect::Ask(Request::Remedy(Ask::Arm(name)))];
        }
        KeyCode::Enter => {
            let text = format!("type {} to arm, or esc", arming.name);
            state.say(text);
        }
        _ if is_text(chord) && edit(&mut arming.input, key, burst) => {
            state.say("that came too fast to be typed: type it");
        }
        _ => {}
    }
    Vec::new()
}

/// Pasted text fills no field here.
pub(super) fn paste(state: &mut State) {
    let now = state.now;
    if let Some(review) = &mut state.review {
        review.disturb(now);
    }
    state.say("pasted text does not count here: type it");
}
