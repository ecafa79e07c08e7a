//! Which series of two vectors belong together, and what becomes of them.

use std::collections::HashMap;

use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{BinModifier, LabelModifier, VectorMatchCardinality};

use super::Error;
use super::binary::Operator;
use super::evaluate::Evaluator;
use super::vector::{ABSENT, Grid, Row, Twins, is_absent, unite, unite_or};
use crate::lab::tsdb::{Labels, METRIC_NAME};

/// The labels by which a series is matched.
fn signature(labels: &Labels, matching: Option<&LabelModifier>) -> Labels {
    match matching {
        Some(LabelModifier::Include(names)) => labels.keep(&names.labels),
        Some(LabelModifier::Exclude(names)) => labels.without(&names.labels),
        None => labels.without_name(),
    }
}

/// At which steps there is any of the rows.
fn presence<'r>(rows: impl IntoIterator<Item = &'r Row>, len: usize) -> Vec<bool> {
    let mut present = vec![false; len];
    for row in rows {
        present.iter_mut().zip(&row.values).for_each(|(p, value)| *p |= !is_absent(*value));
    }
    present
}

/// `and`, `or`, `unless`.
pub(super) fn set(
    op: TokenType,
    left: Vec<Row>,
    right: Vec<Row>,
    matching: Option<&LabelModifier>,
    grid: Grid,
) -> Result<Vec<Row>, Error> {
    let (mut rows, others, wanted) = match op.id() {
        token::T_LAND => (left, right, true),
        token::T_LUNLESS => (left, right, false),
        // The right side is judged by the left, which stays whole.
        token::T_LOR => (right, left, false),
        _ => return Err(Error::Unsupported(format!("the operator {op}"))),
    };
    let mut by_signature: HashMap<Labels, Vec<&Row>> = HashMap::new();
    for row in &others {
        by_signature.entry(signature(&row.labels, matching)).or_default().push(row);
    }
    let present: HashMap<Labels, Vec<bool>> =
        by_signature.into_iter().map(|(labels, rows)| (labels, presence(rows, grid.len))).collect();
    for row in &mut rows {
        let others = present.get(&signature(&row.labels, matching));
        row.map(|step, value| {
            let other = others.is_some_and(|others| others[step]);
            if other == wanted { value } else { ABSENT }
        });
    }
    if op.id() == token::T_LOR {
        rows = others.into_iter().chain(rows).collect();
    }
    unite(rows, Twins::MayTakeTurns)
}

/// The rows of the side on which at most one may match, at each step.
struct One {
    /// All with this signature.
    members: Vec<usize>,
    /// Which of them is there.
    at: Vec<Option<usize>>,
}

/// Arithmetic and comparisons between vectors.
pub(super) fn join(
    evaluator: &Evaluator<'_>,
    operator: Operator,
    modifier: &BinModifier,
    left: Vec<Row>,
    right: Vec<Row>,
) -> Result<Vec<Row>, Error> {
    let swapped = matches!(modifier.card, VectorMatchCardinality::OneToMany(_));
    let one_to_one = matches!(modifier.card, VectorMatchCardinality::OneToOne);
    let (many, ones) = if swapped { (right, left) } else { (left, right) };
    let matching = modifier.matching.as_ref();
    let side = if swapped { "left" } else { "right" };
    let unique = index(&many, &ones, matching, side, evaluator.grid)?;

    let mut results = Vec::new();
    let mut taken: HashMap<&Labels, Vec<bool>> = HashMap::new();
    for row in &many {
        let Some((group, one)) = unique.get_key_value(&signature(&row.labels, matching)) else { continue };
        let mut taken =
            one_to_one.then(|| taken.entry(group).or_insert_with(|| vec![false; evaluator.grid.len]));
        for member in &one.members {
            evaluator.check(evaluator.grid.len)?;
            let other = &ones[*member];
            let mut values = vec![ABSENT; evaluator.grid.len];
            for (step, value) in values.iter_mut().enumerate().filter(|(s, _)| one.at[*s] == Some(*member)) {
                let Some(mine) = row.at(step) else { continue };
                let its = other.values[step];
                let (l, r) = if swapped { (its, mine) } else { (mine, its) };
                *value = operator.apply(l, r, l);
                if let Some(taken) = taken.as_mut().filter(|_| !is_absent(*value)) {
                    if taken[step] {
                        return Err(Error::ManyToOne);
                    }
                    taken[step] = true;
                }
            }
            results
                .push(Row { labels: result_labels(&row.labels, &other.labels, operator, modifier), values });
        }
    }
    if one_to_one {
        unite(results, Twins::MayTakeTurns)
    } else {
        unite_or(results, Twins::MayTakeTurns, |_| Error::NotUnique)
    }
}

/// The unique side by signature. It need not be unique at steps at which there is nothing to match.
fn index(
    many: &[Row],
    ones: &[Row],
    matching: Option<&LabelModifier>,
    side: &'static str,
    grid: Grid,
) -> Result<HashMap<Labels, One>, Error> {
    let asked = presence(many, grid.len);
    let mut index: HashMap<Labels, One> = HashMap::new();
    for (i, row) in ones.iter().enumerate() {
        let group = signature(&row.labels, matching);
        let entry = index
            .entry(group.clone())
            .or_insert_with(|| One { members: Vec::new(), at: vec![None; grid.len] });
        entry.members.push(i);
        for (_, place) in entry.at.iter_mut().enumerate().filter(|(s, _)| asked[*s] && row.has(*s)) {
            if let Some(first) = place.replace(i) {
                let labels = |i: usize| Box::new(ones[i].labels.clone());
                return Err(Error::ManyToMany {
                    group: Box::new(group),
                    side,
                    first: labels(i),
                    second: labels(first),
                });
            }
        }
    }
    Ok(index)
}

fn result_labels(many: &Labels, one: &Labels, operator: Operator, modifier: &BinModifier) -> Labels {
    let mut labels = many.clone();
    if operator.drops_name() {
        labels.remove(METRIC_NAME);
    }
    if modifier.card == VectorMatchCardinality::OneToOne {
        match &modifier.matching {
            Some(LabelModifier::Include(names)) => labels = labels.keep(&names.labels),
            Some(LabelModifier::Exclude(names)) => {
                names.labels.iter().for_each(|name| labels.remove(name));
            }
            None => {}
        }
    }
    for name in modifier.card.labels().map(|names| names.labels.as_slice()).unwrap_or_default() {
        labels.set(name.as_str(), one.get(name));
    }
    labels
}
