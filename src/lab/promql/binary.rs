//! Operators between two expressions.

use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{BinModifier, BinaryExpr};

use super::Error;
use super::evaluate::{Evaluator, Value};
use super::matching;
use super::vector::{ABSENT, Row, Twins, unite};

/// What an operator makes of two numbers.
#[derive(Clone, Copy)]
pub(super) struct Operator {
    compute: fn(f64, f64) -> Outcome,
    /// Whether the result has no name, unless it is a comparison's with `bool`.
    changes_metric: bool,
    /// `bool`: 0 or 1 instead of a filter.
    as_bool: bool,
}

/// A number, or whether a comparison holds.
#[derive(Clone, Copy)]
enum Outcome {
    Number(f64),
    Holds(bool),
}

impl Operator {
    fn new(op: TokenType, as_bool: bool) -> Result<Self, Error> {
        use Outcome::{Holds, Number};
        let compute: fn(f64, f64) -> Outcome = match op.id() {
            token::T_ADD => |a, b| Number(a + b),
            token::T_SUB => |a, b| Number(a - b),
            token::T_MUL => |a, b| Number(a * b),
            token::T_DIV => |a, b| Number(a / b),
            token::T_MOD => |a, b| Number(a % b),
            token::T_POW => |a, b| Number(a.powf(b)),
            token::T_ATAN2 => |a, b| Number(a.atan2(b)),
            token::T_EQLC => |a, b| Holds(a == b),
            token::T_NEQ => |a, b| Holds(a != b),
            token::T_GTR => |a, b| Holds(a > b),
            token::T_LSS => |a, b| Holds(a < b),
            token::T_GTE => |a, b| Holds(a >= b),
            token::T_LTE => |a, b| Holds(a <= b),
            _ => return Err(Error::Unsupported(format!("the operator {op}"))),
        };
        // Prometheus 2 forgets about `atan2`.
        let changes_metric = !op.is_comparison_operator() && op.id() != token::T_ATAN2;
        Ok(Self { compute, changes_metric, as_bool })
    }

    /// The result, [`ABSENT`] where a comparison filters it out; `kept` is what a comparison lets through.
    pub(super) fn apply(self, left: f64, right: f64, kept: f64) -> f64 {
        match (self.compute)(left, right) {
            Outcome::Number(value) => value,
            Outcome::Holds(holds) if self.as_bool => f64::from(u8::from(holds)),
            Outcome::Holds(true) => kept,
            Outcome::Holds(false) => ABSENT,
        }
    }

    /// Whether what comes out is no longer the metric that went in.
    pub(super) fn drops_name(self) -> bool {
        self.changes_metric || self.as_bool
    }
}

pub(super) fn evaluate(evaluator: &Evaluator<'_>, expr: &BinaryExpr) -> Result<Value, Error> {
    let modifier = expr.modifier.clone().unwrap_or_default();
    let BinModifier { fill_values, .. } = &modifier;
    if fill_values.lhs.is_some() || fill_values.rhs.is_some() {
        return Err(Error::Unsupported("`fill`".to_owned()));
    }
    let (left, right) = (evaluator.value(&expr.lhs)?, evaluator.value(&expr.rhs)?);
    evaluator.check(evaluator.grid.len)?;
    if expr.op.is_set_operator() {
        return match (left, right) {
            (Value::Vector(left), Value::Vector(right)) => {
                matching::set(expr.op, left, right, modifier.matching.as_ref(), evaluator.grid)
                    .map(Value::Vector)
            }
            _ => Err(Error::Unsupported(format!("the operator {} between other than vectors", expr.op))),
        };
    }
    let operator = Operator::new(expr.op, modifier.return_bool)?;
    match (left, right) {
        (Value::Scalar(mut left), Value::Scalar(right)) => {
            left.iter_mut().zip(right).for_each(|(l, r)| *l = operator.apply(*l, r, *l));
            Ok(Value::Scalar(left))
        }
        (Value::Vector(rows), Value::Scalar(scalar)) => {
            each(rows, operator, |step, value| operator.apply(value, scalar[step], value))
        }
        (Value::Scalar(scalar), Value::Vector(rows)) => {
            each(rows, operator, |step, value| operator.apply(scalar[step], value, value))
        }
        (Value::Vector(left), Value::Vector(right)) => {
            matching::join(evaluator, operator, &modifier, left, right).map(Value::Vector)
        }
        _ => Err(Error::Unsupported(format!("the operator {} with a text", expr.op))),
    }
}

/// An operator between a vector and a number.
fn each(mut rows: Vec<Row>, operator: Operator, f: impl Fn(usize, f64) -> f64) -> Result<Value, Error> {
    for row in &mut rows {
        row.map(&f);
        if operator.drops_name() {
            row.labels = row.labels.without_name();
        }
    }
    unite(rows, Twins::MayTakeTurns).map(Value::Vector)
}
