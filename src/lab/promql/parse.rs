//! Reading an expression, with bounds on what is read.

use promql_parser::parser::{self, Expr};

use super::Error;

/// Longest text of a query, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// Deepest nesting of an expression: evaluation is recursive.
const DEEPEST: usize = 250;
/// Longest duration, in seconds: more than the age of anything.
const ENDLESS: f64 = 1e15;

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > LONGEST {
        return Err(Error::TooLong { limit: LONGEST });
    }
    if let Some(duration) = endless(text) {
        return Err(Error::Parse(format!("the duration {duration:?} is not a number of seconds")));
    }
    let expr = parser::parse(text).map_err(Error::Parse)?;
    if depth(&expr) > DEEPEST {
        return Err(Error::TooDeep { limit: DEEPEST });
    }
    Ok(expr)
}

/// A duration in seconds that is beyond any time (or no number): the parser itself cannot cope with it.
/// Durations stand in square brackets and behind `offset`.
fn endless(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || "._+-".contains(c);
    let mut in_brackets = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, behind) = match first {
            '"' | '\'' | '`' => rest.split_at(quoted(rest, first)),
            c if is_part(c) => rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len())),
            c => rest.split_at(c.len_utf8()),
        };
        match first {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        let before =
            text[..text.len() - rest.len()].trim_end_matches(|c: char| c.is_whitespace() || "+-".contains(c));
        let word = before.len().checked_sub(6).and_then(|from| before.get(from..));
        if in_brackets || word.is_some_and(|word| word.eq_ignore_ascii_case("offset")) {
            let number = token.trim_start_matches(['-', '+']).parse::<f64>();
            if number.is_ok_and(|number| number.is_nan() || number >= ENDLESS) {
                return Some(token);
            }
        }
        rest = behind;
    }
    None
}

/// Length of the quoted text at the beginning of `text`, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            c if c == quote && !escaped => return i + c.len_utf8(),
            '\\' if quote != '`' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Nesting of an expression, found without recursion.
fn depth(expr: &Expr) -> usize {
    let mut deepest = 0;
    let mut left = vec![(expr, 1)];
    while let Some((expr, depth)) = left.pop() {
        deepest = deepest.max(depth);
        let mut push = |expr| left.push((expr, depth + 1));
        match expr {
            Expr::Aggregate(e) => {
                push(&e.expr);
                e.param.iter().for_each(|param| push(param));
            }
            Expr::Unary(e) => push(&e.expr),
            Expr::Binary(e) => {
                push(&e.lhs);
                push(&e.rhs);
            }
            Expr::Paren(e) => push(&e.expr),
            Expr::Subquery(e) => push(&e.expr),
            Expr::Call(e) => e.args.args.iter().for_each(|arg| push(arg)),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_durations_are_found_where_durations_stand() {
        for query in
            ["n[1e300]", "n[ 1e+300 :5m]", "n[5m:inf]", "n[NaN]", "n offset 1e300", "n OFFSET - 1e99"]
        {
            assert!(matches!(parse(query), Err(Error::Parse(_))), "{query}");
        }
        for query in
            ["n[5m] * 1e300", "n[300]", "n offset 1e3", "n{a=\"[1e300]\"}[1m:30s]", "n{a='\\'[1e300]'}"]
        {
            assert_eq!(endless(query), None, "{query}");
        }
    }
}
