//! Screen 3: the answer, the path from cause to impact, the ranking, and the resources of the
//! selected service. One text that scrolls; on wide screens the resources stand beside it.

mod answer;
mod candidates;
mod ranking;
mod resources;

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use ranking::Ranking;

use super::paint::{self, span};
use super::{chart, slos};
use crate::domain::Verdict;
use crate::engine::ModelState;
use crate::tui::action::Action;
use crate::tui::format;
use crate::tui::picture::{Answer, since};
use crate::tui::state::{Asked, State};
use crate::tui::symbols::Symbols;
use crate::tui::theme::{Role, Theme};

/// From this width on, the resources stand beside the text.
const WIDE: u16 = 100;
/// Most rows of the objective's recent course beside the text.
const COURSE: u16 = 20;
/// Cells left of the text for the cursor.
const GUTTER: u16 = 2;

/// What the parts of the text are drawn with.
struct Context<'a> {
    state: &'a State,
    theme: &'a Theme,
    verdict: &'a Verdict,
    symbols: &'static Symbols,
    /// Cells of a line.
    width: usize,
    /// Whether there is so little room that only the essential is said.
    compact: bool,
}

impl Context<'_> {
    fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// `text` with the arrow of the verdict's own words as it can be drawn.
    fn plain<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.state.ascii {
            Cow::Owned(text.replace(Symbols::UNICODE.arrow, self.symbols.arrow))
        } else {
            text.into()
        }
    }

    /// `text` in lines of the right width.
    fn wrapped(&self, text: &str, style: Style) -> Vec<Line<'static>> {
        let text = self.plain(text);
        paint::wrap(&text, self.width).into_iter().map(|l| Line::from(span(l, style))).collect()
    }
}

/// The text in its three parts; only the middle one can be long.
struct Document<'a> {
    head: Vec<Line<'static>>,
    ranking: Ranking<'a>,
    notes: Vec<Line<'static>>,
}

impl Document<'_> {
    fn len(&self) -> usize {
        self.head.len() + self.ranking.len() + self.notes.len()
    }

    /// The lines of the selected service; the first of them has the cursor.
    fn focus(&self) -> Option<Range<usize>> {
        self.ranking.focus().map(|f| f.start + self.head.len()..f.end + self.head.len())
    }

    fn line(&self, c: &Context<'_>, i: usize) -> Option<Line<'static>> {
        let Some(below) = i.checked_sub(self.head.len()) else { return self.head.get(i).cloned() };
        match below.checked_sub(self.ranking.len()) {
            None => self.ranking.line(c, below),
            Some(i) => self.notes.get(i).cloned(),
        }
    }
}

/// Where the text stands.
pub(super) fn list_area(body: Rect) -> Rect {
    if body.width < WIDE { body } else { Rect { width: body.width / 2, ..body } }
}

/// Where the resources stand beside the text on wide screens.
fn side_area(body: Rect) -> Rect {
    paint::indent(body, list_area(body).width + 1)
}

/// Lines of the text, and those of the selected service.
pub(super) fn extent(state: &State, body: Rect) -> (usize, Range<usize>) {
    let Some(answer) = state.selected_answer() else { return (0, 0..0) };
    let document = document(&text_context(state, state.themes.current(), answer, body), answer, body);
    (document.len(), document.focus().unwrap_or(0..0))
}

/// Draws the screen.
pub(super) fn draw(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let Some(answer) = state.selected_answer() else { return waiting(state, theme, body, buf) };
    let c = text_context(state, theme, answer, body);
    let document = document(&c, answer, body);
    let cursor = document.focus().map(|f| f.start);
    let list = list_area(body);
    let text = paint::indent(list, GUTTER);
    let offset = state.list().offset;
    for y in 0..usize::from(list.height) {
        let Some(line) = document.line(&c, offset + y) else { break };
        paint::line(buf, text, y, &line);
        if cursor == Some(offset + y) {
            paint::text(buf, list, y, 0, 1, c.symbols.cursor, theme.style(Role::Key));
            paint::restyle(buf, list, y, theme.style(Role::Selected));
        }
    }
    if body.width >= WIDE {
        let side = side_area(body);
        for y in 0..usize::from(side.height) {
            paint::text(buf, side, y, 0, 1, state.symbols().wall, theme.style(Role::Guide));
        }
        let side = paint::indent(side, 2);
        let context = context(state, theme, &answer.verdict, side.width);
        let lines = resources::beside(&context, usize::from(side.height));
        for (y, line) in lines.iter().enumerate() {
            paint::line(buf, side, y, line);
        }
        let used = u16::try_from(lines.len() + 1).unwrap_or(u16::MAX);
        course(state, theme, paint::rows(side, used, side.height.saturating_sub(used)), buf);
    }
}

/// How the objective came to stand as it does, below the resources where there is room.
fn course(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (Some(slo), true) = (state.selected_slo(), area.height >= chart::LEAST + 3) else { return };
    if slo.recent_ms.iter().all(Option::is_none) {
        return;
    }
    let height = area.height.min(COURSE);
    let area = paint::rows(area, area.height - height, height);
    paint::text(buf, area, 0, 0, area.width, &format!("{} lately", slo.name), theme.style(Role::Title));
    let below = paint::rows(area, 1, height - 1);
    chart::draw(slo, state.symbols(), theme, slos::is_stale(state, slo), below, buf);
}

fn context<'a>(state: &'a State, theme: &'a Theme, verdict: &'a Verdict, width: u16) -> Context<'a> {
    let compact = state.size.1 < 16;
    Context { state, theme, verdict, symbols: state.symbols(), width: usize::from(width), compact }
}

/// The context of the text, which stands left of the resources on wide screens.
fn text_context<'a>(state: &'a State, theme: &'a Theme, answer: &'a Answer, body: Rect) -> Context<'a> {
    context(state, theme, &answer.verdict, paint::indent(list_area(body), GUTTER).width)
}

fn document<'a>(c: &Context<'a>, answer: &Answer, body: Rect) -> Document<'a> {
    let mut head = answer::head(c, answer);
    let mut notes = Vec::new();
    // With few lines, the ranking comes first: it is what one moves in.
    if c.compact { &mut notes } else { &mut head }.extend(answer::path(c));
    if !c.compact {
        head.extend(candidates::lines(c));
    }
    notes.extend(answer::notes(c));
    Document { head, ranking: Ranking::new(c, body.width < WIDE), notes }
}

/// How a question stands that is not answered yet.
fn asked_text(state: &State, asked: &Asked) -> String {
    let picture = state.picture();
    let percent = |done: u64, total: u64| {
        let share = if total == 0 { 0.0 } else { done as f64 / total as f64 };
        format::percent(Some(share.min(1.0)))
    };
    let how_far = match (&picture.working, &picture.model) {
        (Some(w), _) => format!(", {} {}", w.stage.word(), percent(w.done, w.total)),
        (None, Some(ModelState::Training { done, total, .. })) => {
            format!(", training the model first: {}", percent(*done, *total))
        }
        (None, _) => String::new(),
    };
    format!("computing{how_far} (asked {} ago)", format::age(since(asked.since, state.now)))
}

/// There is no verdict: whether one is under way, and how to get one.
fn waiting(state: &State, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let key = state.keymap.keys(Action::Diagnose).first().map(ToString::to_string).unwrap_or_default();
    let mut texts: Vec<(String, Role)> = Vec::new();
    match &state.slo {
        None => texts.push(("No SLO is known yet, so there is nothing to explain.".to_owned(), Role::Title)),
        Some(slo) => match state.asked.get(slo) {
            Some(Asked { failure: Some(why), .. }) => {
                texts.push((format!("There is no verdict on {slo}."), Role::Title));
                texts.push((why.clone(), Role::Failure));
                texts.push((format!("{key} asks again."), Role::Muted));
            }
            Some(asked) => {
                texts.push((format!("Why is {slo} as it is?"), Role::Title));
                texts.push((asked_text(state, asked), Role::Notice));
            }
            None => {
                texts.push((format!("There is no verdict on {slo} yet."), Role::Title));
                texts.push((format!("{key} asks for one."), Role::Muted));
            }
        },
    }
    let inner = paint::indent(body, GUTTER);
    let width = usize::from(inner.width);
    let lines =
        texts.iter().flat_map(|(text, role)| paint::wrap(text, width).into_iter().map(move |l| (l, *role)));
    for (y, (line, role)) in lines.enumerate() {
        paint::line(buf, inner, y + 1, &Line::from(span(line, theme.style(role))));
    }
}
