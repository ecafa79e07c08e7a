//! The evaluator: from an expression to its values at all steps.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::RwLock;
use std::time::Instant;

use promql_parser::parser::Expr;

use super::vector::{Grid, Row, Steps, Twins, unite};
use super::{Error, Options, binary};
use crate::lab::tsdb::Tsdb;

/// What an expression yields.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A number at each step; never absent.
    Scalar(Steps),
    /// Series.
    Vector(Vec<Row>),
    /// A text.
    Text(String),
}

/// Evaluates the parts of one query.
#[derive(Clone)]
pub(super) struct Evaluator<'a> {
    pub(super) storage: &'a RwLock<Tsdb>,
    /// Where this part is evaluated.
    pub(super) grid: Grid,
    /// First and last moment of the query as it was asked: `@ start()` and `@ end()`. The last need not
    /// be a step.
    pub(super) asked: (i64, i64),
    pub(super) options: &'a Options,
    /// Values held so far, over all parts. Shared through the clones of [`Evaluator::on`].
    held: Rc<Cell<usize>>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        storage: &'a RwLock<Tsdb>,
        grid: Grid,
        asked: (i64, i64),
        options: &'a Options,
    ) -> Self {
        Self { storage, grid, asked, options, held: Rc::default() }
    }

    /// The same query on another grid.
    pub(super) fn on(&self, grid: Grid) -> Self {
        Self { grid, ..self.clone() }
    }

    /// Notes that `more` values are held; fails beyond the limits of samples and time.
    pub(super) fn check(&self, more: usize) -> Result<(), Error> {
        let held = self.held.get().saturating_add(more);
        self.held.set(held);
        if held > self.options.max_samples {
            return Err(Error::TooManySamples);
        }
        if self.options.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(Error::Timeout);
        }
        Ok(())
    }

    pub(super) fn value(&self, expr: &Expr) -> Result<Value, Error> {
        self.check(0)?;
        match expr {
            Expr::NumberLiteral(number) => Ok(Value::Scalar(vec![number.val; self.grid.len])),
            Expr::StringLiteral(text) => Ok(Value::Text(text.val.clone())),
            Expr::Paren(paren) => self.value(&paren.expr),
            Expr::VectorSelector(selector) => self.instants(selector).map(Value::Vector),
            Expr::Unary(unary) => self.negated(&unary.expr),
            Expr::Binary(operation) => binary::evaluate(self, operation),
            Expr::Aggregate(aggregation) => self.aggregate(aggregation).map(Value::Vector),
            Expr::Call(call) => self.call(call),
            Expr::MatrixSelector(_) | Expr::Subquery(_) | Expr::Extension(_) => {
                Err(Error::Unsupported(format!("{expr} at this place")))
            }
        }
    }

    pub(super) fn vector(&self, expr: &Expr) -> Result<Vec<Row>, Error> {
        match self.value(expr)? {
            Value::Vector(rows) => Ok(rows),
            _ => Err(Error::Unsupported(format!("{expr} in place of a vector"))),
        }
    }

    pub(super) fn scalar(&self, expr: &Expr) -> Result<Steps, Error> {
        match self.value(expr)? {
            Value::Scalar(values) => Ok(values),
            _ => Err(Error::Unsupported(format!("{expr} in place of a number"))),
        }
    }

    pub(super) fn text(&self, expr: &Expr) -> Result<String, Error> {
        match self.value(expr)? {
            Value::Text(text) => Ok(text),
            _ => Err(Error::Unsupported(format!("{expr} in place of a text"))),
        }
    }

    fn negated(&self, expr: &Expr) -> Result<Value, Error> {
        match self.value(expr)? {
            Value::Scalar(mut values) => {
                values.iter_mut().for_each(|v| *v = -*v);
                Ok(Value::Scalar(values))
            }
            Value::Vector(mut rows) => {
                for row in &mut rows {
                    row.labels = row.labels.without_name();
                    row.map(|_, v| -v);
                }
                unite(rows, Twins::AreWrong).map(Value::Vector)
            }
            Value::Text(_) => Err(Error::Unsupported("minus before a text".to_owned())),
        }
    }
}
