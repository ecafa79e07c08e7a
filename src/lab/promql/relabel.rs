//! `label_replace` and `label_join`, and the labels of `absent`.

use std::collections::HashSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Call, Expr};
use regex::Regex;

use super::Error;
use super::evaluate::Evaluator;
use super::select::matchers;
use super::vector::{Row, Twins, unite};
use crate::lab::tsdb::{Labels, METRIC_NAME};

/// An expression without the brackets around it.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Paren(paren) = expr {
        expr = &paren.expr;
    }
    expr
}

/// Whether a text can name a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || i > 0 && b.is_ascii_digit())
        && !name.is_empty()
}

impl Evaluator<'_> {
    fn label_name(&self, expr: &Expr) -> Result<String, Error> {
        let name = self.text(expr)?;
        if is_label_name(&name) { Ok(name) } else { Err(Error::LabelName(name)) }
    }

    /// Sets a label to a text made of what a pattern finds in another; leaves series alone that it does
    /// not match.
    pub(super) fn label_replace(&self, call: &Call) -> Result<Vec<Row>, Error> {
        let [vector, target, replacement, source, pattern] = call.args.args.as_slice() else {
            return Err(Error::Unsupported(call.to_string()));
        };
        let pattern = self.text(pattern)?;
        let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| Error::Regex(pattern))?;
        let (target, replacement) = (self.label_name(target)?, self.text(replacement)?);
        let source = self.text(source)?;
        let mut rows = self.vector(vector)?;
        for row in &mut rows {
            let value = pattern.captures(row.labels.get(&source)).map(|found| {
                let mut value = String::new();
                found.expand(&replacement, &mut value);
                value
            });
            if let Some(value) = value {
                row.labels.set(target.as_str(), value);
            }
        }
        unite(rows, Twins::MayTakeTurns)
    }

    /// Sets a label to the values of others, with a separator between them.
    pub(super) fn label_join(&self, call: &Call) -> Result<Vec<Row>, Error> {
        let [vector, target, separator, sources @ ..] = call.args.args.as_slice() else {
            return Err(Error::Unsupported(call.to_string()));
        };
        let (target, separator) = (self.label_name(target)?, self.text(separator)?);
        let sources = sources.iter().map(|source| self.label_name(source)).collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.vector(vector)?;
        for row in &mut rows {
            let values: Vec<&str> = sources.iter().map(|source| row.labels.get(source)).collect();
            let joined = values.join(&separator);
            row.labels.set(target.as_str(), joined);
        }
        unite(rows, Twins::MayTakeTurns)
    }
}

/// The labels that the missing series would have: what its selector says with `=`, and says only once.
pub(super) fn absent_labels(expr: &Expr) -> Result<Labels, Error> {
    let matchers = match bare(expr) {
        Expr::VectorSelector(selector) => matchers(selector)?,
        Expr::MatrixSelector(selector) => matchers(&selector.vs)?,
        _ => Vec::new(),
    };
    let mut labels = Labels::default();
    let mut seen = HashSet::new();
    for matcher in matchers.iter().filter(|m| m.name != METRIC_NAME) {
        if matches!(matcher.op, MatchOp::Equal) && seen.insert(&matcher.name) {
            labels.set(matcher.name.as_str(), matcher.value.as_str());
        } else {
            labels.remove(&matcher.name);
        }
    }
    Ok(labels)
}
