//! A monkey at the keyboard of the real program, in a pseudo-terminal, on a lab in which something is
//! wrong and the means to change it are at hand: it roams through every screen, the palette, the past and another
//! context, sees proposals and reviews, types the names that are asked for, and changes nothing.
#![cfg(unix)]

mod stage;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use portable_pty::CommandBuilder;
use rand::prelude::*;
use rand::rngs::StdRng;
use sagetop::remedy::journal;

use self::stage::{Stage, only_reads};
use super::pseudo::Terminal;

/// What it presses besides letters and digits; what ends or stops the program is left out. What leads to
/// a change is there more than once.
const KEYS: [&str; 37] = [
    "\r", "\r", "\r", "\r", "\r", "\t", "\t", "\t", "\x1b[Z", "\x1b", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D",
    "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\x7f", " ", "/", "?", "*", "\x0c", "\x02", "\x06", "\x12",
    "a", "a", "a", "v", "u", "K", "y", "4", "n", "n",
];
/// What it pastes, as terminals hand it over, with brackets and without.
const PASTES: [&str; 6] = [
    "chain-1",
    "chain-1\r",
    "\x1b[200~chain-1\r\x1b[201~",
    "\t\t\r",
    "\x1b[200~a\r\t\r\r\x1b[201~",
    "y\ry\r",
];
/// Where it goes on purpose, each in one go: nobody comes there by random keys alone.
const WALKS: [&str; 25] = [
    // The palette, with letters of what it offers.
    ":what\r",
    ":acti\r",
    ":chain\r",
    ":light\r",
    ":doct\r",
    ":undo\r",
    ":keep\r",
    // What-if: sliders, and what they stand for as proposals.
    "w\x1b[C\x1b[C\r",
    "w\x1b[B\x1b[C\r",
    "w\x1b[C\x1b[B\x1b[C\x1b[B\x1b[C\ra",
    "w0\x1b[C\x1b[D\x1b[C\r",
    // Reviews of this and that, names in their fields, the buttons.
    "a\x1b[H\r",
    "a\x1b[B\r",
    "a\x1b[B\x1b[B\r",
    "a\x1b[F\r",
    "chain-1\t\t\r",
    "chain-1\t\t\t\r",
    "\x1b[6~\x1b[6~\x1b[6~\x1b[6~\t",
    "\x1b[6~\x1b[6~\x1b[6~\x1b[6~chain-1\t\t",
    "\x1b[F\t\t",
    "\t\t",
    "\t\r\t\r",
    // What happened, without going there.
    "6\x1b[B",
    "v\x1b[B",
    // A service.
    "2\x1b[B\r",
];
/// The same, to where an armed context is no longer: the past, and the other context.
const AWAY: [&str; 10] = [
    "6\x1b[B\r",
    "6\x1b[B\x1b[B\r>>",
    ",,,>",
    ",,>><<",
    "<<n",
    ",n",
    "CC",
    "Ca",
    ":other\r",
    ":context lab\r",
];
/// What it does to a review that is open: all that leads through its fields and buttons, and nothing that closes it
/// but Enter on Cancel.
const SIEGE: [&str; 17] = [
    "\t",
    "\t",
    "\t",
    "\t\t",
    "\x1b[Z",
    "\x1b[6~\x1b[6~\x1b[6~",
    "\x1b[F",
    "\x1b[F",
    "\x1b[5~",
    "chain-1",
    "chain-1",
    "\x1b[200~chain-1\x1b[201~",
    "\r",
    "\r",
    "\x7f",
    "\x1b[200~\r\x1b[201~",
    "y\r",
];
/// What it has to have come by, or it proves nothing: parts of what was on the screen.
const PLACES: [&str; 12] = [
    "[SLOs]",
    "[Tree]",
    "[Verdict]",
    "[Actions]",
    "[Commands]",
    "[Timeline]",
    "[Service]",
    "[What if]",
    "Palette",
    "Review:",
    "type chain-1",
    "sagetop other",
];

/// How often it is armed anew.
const ROUNDS: usize = 5;
/// Reviews that it goes on at each time: of the first proposals, one after the other.
const SIEGES: usize = 3;

/// What it does next: a paste, a walk, a letter, a key.
fn whim(random: &mut StdRng, armed: bool) -> String {
    match random.random_range(0..100) {
        0..4 => (*PASTES.choose(random).unwrap()).to_owned(),
        4..10 => (*WALKS.choose(random).unwrap()).to_owned(),
        10..13 if !armed || random.random_bool(0.1) => (*AWAY.choose(random).unwrap()).to_owned(),
        // Not `q`, which ends it, and not `A`: whether it is armed is the tests' to say.
        10..40 => {
            let letters = "abcdefghijklmnoprstuvwxyzBDEFGHIJKLMNOPRSTUVWXYZ012345789-_.;<>+#~^|\\";
            char::from(*letters.as_bytes().choose(random).unwrap()).to_string()
        }
        // An escape before an arrow reads as other keys, `A` among them.
        _ => match *KEYS.choose(random).unwrap() {
            "\x1b" if armed => String::new(),
            key => key.to_owned(),
        },
    }
}

/// Where it has been, and how often a whole dialog could be approved when a burst was over.
#[derive(Default)]
struct Seen {
    places: BTreeSet<&'static str>,
    at_the_button: usize,
}

impl Seen {
    fn look(&mut self, terminal: &Terminal) {
        let text = terminal.screen.screen().contents();
        self.places.extend(PLACES.into_iter().filter(|place| text.contains(place)));
        self.at_the_button += usize::from(text.contains("ARMED") && text.contains("›[ Apply ]"));
    }
}

/// Presses `keys` keys in bursts, with short rests in between; while it is armed, never one alone.
fn play(terminal: &mut Terminal, random: &mut StdRng, keys: usize, armed: bool, seen: &mut Seen) {
    let mut pressed = 0;
    while pressed < keys {
        let (mut burst, many) = (String::new(), random.random_range(if armed { 2..40 } else { 1..40 }));
        for _ in 0..many {
            burst.push_str(&whim(random, armed));
        }
        if armed && burst.chars().count() < 2 {
            continue;
        }
        pressed += many;
        terminal.press(&burst);
        // Now and then long enough for a question to be answered and drawn.
        let rest = if random.random_bool(0.05) { 300 } else { random.random_range(1..20) };
        std::thread::sleep(Duration::from_millis(rest));
        while let Ok(bytes) = terminal.output.try_recv() {
            terminal.take(&bytes);
        }
        seen.look(terminal);
        // The palette offers that too.
        assert!(terminal.child.try_wait().unwrap().is_none(), "it ended after {burst:?}");
    }
}

/// All of `walks`, one after the other, with time to see where they lead.
fn tour<'a>(terminal: &mut Terminal, walks: impl Iterator<Item = &'a &'a str>, seen: &mut Seen) {
    for walk in walks {
        terminal.press(walk);
        terminal.listen(Duration::from_millis(500));
        seen.look(terminal);
        // Out of whatever it has opened: the next one starts from a screen.
        for _ in 0..2 {
            terminal.press("\x1b");
            rest(terminal);
        }
    }
}

/// Opens the review of the `nth` proposal and goes on at it until it closes; returns whether it opened.
fn besiege(terminal: &mut Terminal, random: &mut StdRng, nth: usize, seen: &mut Seen) -> bool {
    terminal.press(&format!("\x1b[H{}\r", "\x1b[B".repeat(nth)));
    if !terminal.shows("[ Cancel ]", Duration::from_secs(20)) {
        return false;
    }
    for _ in 0..random.random_range(6..16) {
        let mut burst = String::new();
        while burst.chars().count() < 2 || random.random_bool(0.6) {
            burst.push_str(SIEGE.choose(random).unwrap());
        }
        terminal.press(&burst);
        // Longer than the dialog is deaf, shorter than a person takes.
        terminal.listen(Duration::from_millis(random.random_range(10..900)));
        seen.look(terminal);
        if !terminal.screen.screen().contents().contains("[ Cancel ]") {
            break;
        }
    }
    true
}

/// Waits until it draws nothing for a moment.
fn rest(terminal: &mut Terminal) {
    while let Ok(bytes) = terminal.output.recv_timeout(Duration::from_millis(200)) {
        terminal.take(&bytes);
    }
}

/// Out of every dialog and field.
fn home(terminal: &mut Terminal) {
    for _ in 0..6 {
        // An escape that is read together with the next key is another key.
        terminal.press("\x1b");
        rest(terminal);
    }
    // Back in the present and the first context, if it went elsewhere.
    terminal.press("n");
    rest(terminal);
    let in_other = |terminal: &Terminal| {
        terminal.screen.screen().contents().lines().next().is_some_and(|line| line.contains(" other "))
    };
    if in_other(terminal) {
        for _ in 0..4 {
            if in_other(terminal) {
                terminal.press("C");
            }
            // Pressed again too early, it would lead back.
            for _ in 0..30 {
                if in_other(terminal) {
                    terminal.listen(Duration::from_millis(500));
                }
            }
        }
        terminal.expect("BREACHED chain-0 p99");
    }
    assert!(!in_other(terminal), "{}", terminal.screen.screen().contents());
    terminal.press("a");
    rest(terminal);
    terminal.expect("[Actions]");
}

/// Arms the context. On a busy machine a key may be read together with the ones before: then it is not heard, or taken
/// for pasted text, and all of it is done again.
fn arm(terminal: &mut Terminal) {
    let armed = (0..5).any(|_| {
        if terminal.screen.screen().contents().contains("Armed for lab") {
            return true;
        }
        terminal.press("A");
        if !terminal.shows("type lab", Duration::from_secs(5)) {
            return false;
        }
        for key in ["l", "a", "b", "\r"] {
            terminal.listen(Duration::from_millis(200));
            terminal.press(key);
        }
        let heard = terminal.shows("Armed for lab", Duration::from_secs(5));
        if !heard {
            terminal.press("\x1b");
            rest(terminal);
        }
        heard
    });
    assert!(armed, "{}", terminal.screen.screen().contents());
}

#[test]
fn ten_thousand_keys_pastes_and_walks_change_nothing() {
    let stage = Stage::start();
    let trained = Command::new(env!("CARGO_BIN_EXE_sagetop")).args(stage.words(&["train"])).output().unwrap();
    assert!(trained.status.success(), "{trained:?}");
    let before = stage.cluster();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sagetop"));
    command.args(stage.words(&[]));
    let mut terminal = Terminal::start(command);
    terminal.expect("BREACHED chain-0 p99");
    terminal.press("v");
    terminal.expect("Had chain-1 been normal");
    terminal.press("a");
    terminal.expect("scale out");
    terminal.expect("Read-only: nothing can be written.");

    let (mut random, mut seen) = (StdRng::seed_from_u64(7), Seen::default());
    tour(&mut terminal, WALKS.iter().chain(&AWAY), &mut seen);
    play(&mut terminal, &mut random, 6_500, false, &mut seen);
    home(&mut terminal);
    terminal.expect("Read-only: nothing can be written.");

    // Armed, so that only the way in which it presses keys is between it and a change; again and again, since the
    // past and the other context end it.
    let mut besieged = 0;
    for _ in 0..ROUNDS {
        arm(&mut terminal);
        for nth in 0..SIEGES {
            besieged += usize::from(besiege(&mut terminal, &mut random, nth, &mut seen));
            home(&mut terminal);
        }
        play(&mut terminal, &mut random, 3_500 / ROUNDS, true, &mut seen);
        home(&mut terminal);
    }
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);

    let commands = stage.commands();
    let wrote: Vec<_> = commands.iter().filter(|command| !only_reads(command)).collect();
    assert!(wrote.is_empty(), "{wrote:#?}");
    assert_eq!(stage.cluster(), before);
    let journal = std::fs::read(journal::path(&stage.path("state"), "lab")).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&journal), "");
    // What it had in reach, else it proves nothing.
    let reviews = commands.iter().filter(|command| command.contains("--dry-run=server")).count();
    assert!(reviews > 5, "it saw only {reviews} reviews in {} commands", commands.len());
    assert_eq!(seen.places, BTreeSet::from(PLACES));
    assert!(besieged > ROUNDS, "only {besieged} reviews were besieged");
    assert!(seen.at_the_button > 5, "only {} times was it one key away", seen.at_the_button);
}
